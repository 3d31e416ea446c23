import { UnstyledButton } from "@mantine/core";
import { useState, type KeyboardEvent } from "react";
import { type Facet, type Value } from "../api/types";
import { equal, has, toggle, unequal } from "../condition/edit";
import { count, plural, short } from "../time/format";
import { IconChevron } from "./icons";
import { beginning } from "./LongText";

/**
 * FacetList shows which values attributes have among the records, with their
 * counts. A click adds a condition or takes it away; with the keyboard, arrows
 * lead from an attribute to its values.
 */
export function FacetList({ facets, q, onChange }: { facets: Facet[]; q: string; onChange(q: string): void }) {
  return (
    <div className="facets">
      {facets
        .filter((f) => f.values.length > 0)
        .map((f, i) => (
          <FacetBox key={f.field} facet={f} q={q} onChange={onChange} opened={i < 8} />
        ))}
    </div>
  );
}

/** nameOf is how people call a field: without its place. */
export function nameOf(field: string): string {
  return field.replace(/^(span|log|resource|instrumentation|event|link)?\./, "").replace(/^"(.*)"$/, "$1");
}

const levels = ["trace", "debug", "info", "warn", "error", "fatal"];

/** valueOf is how people write a value: text without quotes, a severity as its word. */
export function valueOf(v: Value, field = ""): string {
  const severity = /^(log:)?severity$/.test(field) ? Number(v.text) : 0;
  if (severity >= 1 && severity <= 24) return `${levels[Math.floor((severity - 1) / 4)]} ${v.text}`;
  return v.type === "string" && typeof v.value === "string" ? v.value : v.text;
}

const few = 5;

/**
 * moveInside makes an attribute and its values one stop of the Tab key: up and
 * down move between them, right is "without it".
 */
function moveInside(e: KeyboardEvent<HTMLElement>) {
  const rows = [...e.currentTarget.querySelectorAll<HTMLElement>(".facet-name, .facet-value, .showall")];
  const at = rows.findIndex((row) => row.contains(e.target as Node));
  const to = { ArrowDown: rows[at + 1], ArrowUp: rows[at - 1], ArrowLeft: rows[at], ArrowRight: rows[at] }[e.key];
  if (at < 0 || !to) return;
  const button = to.matches("button") ? to : to.querySelector<HTMLElement>(e.key === "ArrowRight" ? ".facet-not" : ".facet-pick");
  e.preventDefault();
  button?.focus();
}

function FacetBox({ facet, q, onChange, opened }: { facet: Facet; q: string; onChange(q: string): void; opened: boolean }) {
  const [open, setOpen] = useState(opened);
  const [all, setAll] = useState(false);
  const shown = all ? facet.values : facet.values.slice(0, few);
  return (
    <section className="facet" onKeyDown={moveInside}>
      <UnstyledButton className="facet-name" onClick={() => setOpen(!open)} aria-expanded={open} title={facet.field}>
        <span className="turn" data-open={open || undefined}>
          <IconChevron size={11} />
        </span>
        <bdi className="ellipsis">{beginning(nameOf(facet.field), 80)}</bdi>
        <span className="soft facet-distinct" title={plural(facet.distinct, "value")}>
          {facet.distinct >= 10_000 ? "10k+" : short(facet.distinct)}
        </span>
      </UnstyledButton>
      {open && shown.map((v) => <FacetValue key={v.text} facet={facet} value={v} q={q} onChange={onChange} />)}
      {open && facet.values.length > few && (
        <UnstyledButton className="showall" onClick={() => setAll(!all)}>
          {all ? "fewer" : `${facet.values.length - few} more`}
        </UnstyledButton>
      )}
    </section>
  );
}

function FacetValue({ facet, value, q, onChange }: { facet: Facet; value: Value; q: string; onChange(q: string): void }) {
  const part = equal(facet.field, value.text);
  const without = unequal(facet.field, value.text);
  const text = valueOf(value, facet.field);
  return (
    <div className="facet-value" data-chosen={has(q, part) || undefined}>
      <UnstyledButton
        className="facet-pick"
        tabIndex={-1}
        onClick={() => onChange(toggle(q, part))}
        aria-pressed={has(q, part)}
        title={`${beginning(text, 300)}: ${count(value.count ?? 0)}`}
      >
        <span className="facet-bar" style={{ width: `${(100 * (value.count ?? 0)) / Math.max(1, facet.records)}%` }} aria-hidden />
        <bdi className="ellipsis">{text === "" ? "(empty)" : beginning(text, 100)}</bdi>
        <span className="soft">{short(value.count ?? 0)}</span>
      </UnstyledButton>
      <UnstyledButton className="facet-not" tabIndex={-1} onClick={() => onChange(toggle(q, without))} aria-label={`Without ${beginning(text, 60)}`} title="Without it">
        ≠
      </UnstyledButton>
    </div>
  );
}
