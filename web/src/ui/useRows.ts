import { type Virtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, useState, type FocusEvent, type KeyboardEvent, type RefObject } from "react";

/**
 * useRows moves through the rows of a list of which only those in sight exist.
 * All of them are one stop of the Tab key; arrows, Home, End and the pages move
 * between them. Rows carry data-index and are given tabIndex(index).
 */
export function useRows(count: number, scroller: RefObject<HTMLElement | null>, virtual: Virtualizer<HTMLDivElement, Element>, onActive?: (index: number) => void) {
  const [active, setActive] = useState(-1);
  const focus = useRef(false);
  useEffect(() => {
    if (active >= count) setActive(-1);
  }, [active, count]);
  // The row may come into being only after the list has scrolled.
  useEffect(() => {
    if (!focus.current) return;
    const row = rowAt(scroller.current, active);
    if (!row) return;
    focus.current = false;
    row.focus({ preventScroll: true });
  });
  const move = (to: number) => {
    if (count === 0) return;
    const index = Math.max(0, Math.min(count - 1, to));
    // Who is among the rows stays there; others only see the mark move.
    focus.current = scroller.current?.contains(document.activeElement) ?? false;
    setActive(index);
    onActive?.(index);
    virtual.scrollToIndex(index);
  };
  const shown = virtual.range;
  const inSight = shown !== null && active >= shown.startIndex && active <= shown.endIndex;
  const stop = inSight ? active : (shown?.startIndex ?? 0);
  const page = shown ? Math.max(1, shown.endIndex - shown.startIndex - 1) : 10;
  return {
    active,
    move,
    tabIndex: (index: number) => (index === stop ? 0 : -1),
    onFocus: (e: FocusEvent) => {
      const index = indexOf(e.target);
      if (index === undefined || index === active) return;
      setActive(index);
      onActive?.(index);
    },
    onKeyDown: (e: KeyboardEvent) => {
      const index = indexOf(e.target);
      if (index === undefined || e.altKey || e.ctrlKey || e.metaKey || e.shiftKey) return;
      const to = { ArrowDown: index + 1, ArrowUp: index - 1, PageDown: index + page, PageUp: index - page, Home: 0, End: count - 1 }[e.key];
      if (to === undefined) return;
      e.preventDefault();
      move(to);
    },
  };
}

/** indexOf tells which row has the focus; what is inside of a row is not the row. */
function indexOf(target: EventTarget): number | undefined {
  const index = target instanceof HTMLElement ? target.dataset["index"] : undefined;
  return index === undefined ? undefined : Number(index);
}

function rowAt(scroller: HTMLElement | null, index: number): HTMLElement | null {
  return scroller?.querySelector<HTMLElement>(`[data-index="${index}"]:is(a, button)`) ?? null;
}
