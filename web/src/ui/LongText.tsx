import { UnstyledButton } from "@mantine/core";
import { useState } from "react";
import { bytes } from "../time/format";

/**
 * LongText shows text that somebody else wrote, as text: whatever is in it, it
 * keeps its own direction (so that right-to-left text does not reorder what is
 * around it) and its beginning stands for it when it is long.
 */
export function LongText({ text, limit = 400 }: { text: string; limit?: number }) {
  const [all, setAll] = useState(false);
  const cut = !all && text.length > limit * 1.2;
  return (
    <>
      <bdi className="longtext">{cut ? beginning(text, limit) : text}</bdi>
      {text.length > limit * 1.2 && (
        <UnstyledButton className="showall" onClick={() => setAll(!all)} aria-expanded={all}>
          {all ? "show less" : `… show all (${bytes(text.length)})`}
        </UnstyledButton>
      )}
    </>
  );
}

/** beginning cuts text without tearing a character apart. */
export function beginning(text: string, limit: number): string {
  const code = text.charCodeAt(limit - 1);
  return text.slice(0, code >= 0xd800 && code < 0xdc00 ? limit - 1 : limit);
}

/** valueText writes the value of an attribute, or the body of a log record, as text. */
export function valueText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
