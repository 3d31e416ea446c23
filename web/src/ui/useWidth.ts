import { useLayoutEffect, useRef, useState, type RefObject } from "react";

/**
 * useWidth is how wide an element is inside; 0: it is not there yet. It is known
 * before the element is painted for the first time, so that what depends on it is
 * in that frame and not in the next.
 */
export function useWidth<E extends HTMLElement>(): { ref: RefObject<E | null>; width: number } {
  const ref = useRef<E>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const measure = () => setWidth(element.clientWidth);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return { ref, width };
}
