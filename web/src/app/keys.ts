/**
 * Keyboard shortcuts. Parts of the page say which keys they take while they are
 * shown; the newest part wins, and the help lists what there is.
 */
import { useEffect, useRef } from "react";

/** Keys are shortcuts by key, as KeyboardEvent names it; "g t" is one after the other. */
export type Keys = Record<string, readonly [description: string, action: () => void]>;

const stack: { current: Keys }[] = [];
let pending = "";
let pendingSince = 0;

/** useKeys takes the keys while the component is shown. */
export function useKeys(keys: Keys, enabled = true): void {
  const ref = useRef(keys);
  ref.current = keys;
  useEffect(() => {
    if (!enabled) return;
    stack.push(ref);
    return () => {
      stack.splice(stack.indexOf(ref), 1);
    };
  }, [enabled]);
}

/** listKeys gives what can be pressed now, newest first. */
export function listKeys(): { key: string; description: string }[] {
  const all = new Map<string, string>();
  for (const keys of [...stack].reverse()) {
    for (const [key, [description]] of Object.entries(keys.current)) {
      if (!all.has(key)) all.set(key, description);
    }
  }
  return [...all].map(([key, description]) => ({ key, description }));
}

function find(key: string): (() => void) | undefined {
  for (let i = stack.length - 1; i >= 0; i--) {
    const entry = stack[i]?.current[key];
    if (entry) return entry[1];
  }
  return undefined;
}

/** typing says that the key goes into a field or presses a button. */
function typing(e: KeyboardEvent): boolean {
  const at = e.target as HTMLElement | null;
  if (!at?.closest) return false;
  if (at.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable=true]")) return true;
  if (at.closest("[role=dialog], [role=menu], [role=listbox]")) return e.key !== "Escape" && e.key !== "?";
  return (e.key === "Enter" || e.key === " ") && at.closest("a, button, [role=button]") !== null;
}

window.addEventListener("keydown", (e) => {
  if (e.defaultPrevented || e.metaKey || e.ctrlKey || e.altKey || typing(e)) return;
  const sequence = pending !== "" && e.timeStamp - pendingSince < 1200 ? `${pending} ${e.key}` : e.key;
  pending = "";
  const action = find(sequence) ?? find(e.key);
  if (action) {
    e.preventDefault();
    action();
    return;
  }
  if (stack.some((s) => Object.keys(s.current).some((k) => k.startsWith(`${e.key} `)))) {
    pending = e.key;
    pendingSince = e.timeStamp;
  }
});
