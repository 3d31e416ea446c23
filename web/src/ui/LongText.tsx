import { UnstyledButton } from "@mantine/core";
import { useState } from "react";
import { bytes } from "../time/format";

/** block is how many characters of very long text are laid out together. */
const block = 4000;

/**
 * LongText shows text that somebody else wrote, as text: whatever is in it, it
 * keeps its own direction (so that right-to-left text does not reorder what is
 * around it) and its beginning stands for it when it is long. All of it is shown
 * in blocks, of which the browser lays out those in sight: a megabyte in one
 * piece would stop the page for seconds.
 */
export function LongText({ text, limit = 400 }: { text: string; limit?: number }) {
  const [all, setAll] = useState(false);
  if (text.length <= limit * 1.2) return <bdi className="longtext">{text}</bdi>;
  return (
    <>
      {!all ? (
        <bdi className="longtext">{beginning(text, limit)}</bdi>
      ) : text.length <= 2 * block ? (
        <bdi className="longtext">{text}</bdi>
      ) : (
        <bdi className="longtext longtext-blocks" tabIndex={0}>
          {blocksOf(text).map((part, i) => (
            <span key={i}>{part}</span>
          ))}
        </bdi>
      )}
      <UnstyledButton className="showall" onClick={() => setAll(!all)} aria-expanded={all}>
        {all ? "show less" : `… show all (${bytes(text.length)})`}
      </UnstyledButton>
    </>
  );
}

function blocksOf(text: string): string[] {
  const parts: string[] = [];
  for (let at = 0; at < text.length; ) {
    const part = beginning(text.slice(at, at + block), block);
    parts.push(part);
    at += part.length;
  }
  return parts;
}

/** beginning cuts text without tearing a character apart. */
export function beginning(text: string, limit: number): string {
  if (text.length <= limit && !torn(text, text.length)) return text;
  return text.slice(0, torn(text, limit) ? limit - 1 : limit);
}

/** torn says that a cut before at would divide a pair of surrogates. */
function torn(text: string, at: number): boolean {
  const code = text.charCodeAt(at - 1);
  return at > 1 && code >= 0xd800 && code < 0xdc00;
}

/** valueText writes the value of an attribute, or the body of a log record, as text. */
export function valueText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
