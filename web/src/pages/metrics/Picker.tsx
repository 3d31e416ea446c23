import { Badge, TextInput } from "@mantine/core";
import { useEffect, useId, useRef, useState, type ReactNode } from "react";
import { count } from "../../time/format";
import { IconSearch } from "../../ui/icons";
import { beginning } from "../../ui/LongText";
import { EmptyNote, ErrorNote, Loading } from "../../ui/states";
import { type Metric } from "./catalog";
import { marks, type Found } from "./find";
import { useCatalog, useFound } from "./useCatalog";

interface Props {
  /** always keeps the list open: there is nothing else on the page. */
  always: boolean;
  text: string;
  onText(text: string): void;
  /** onChoose shows a metric; with add, beside what is shown. */
  onChoose(metric: Metric, add: boolean): void;
  /** children are between the field and the list. */
  children?: ReactNode;
}

const shown = 200;

/** Picker finds a metric by what somebody remembers of it. Enter shows the first one. */
export function Picker({ always, text, onText, onChoose, children }: Props) {
  const { metrics, error, refetch } = useCatalog();
  const found = useFound(metrics, text);
  const [active, setActive] = useState(0);
  const [opened, setOpened] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();
  const open = always || opened;
  const rows = found.slice(0, shown);
  useEffect(() => setActive(0), [text]);
  useEffect(() => {
    if (always) input.current?.focus();
  }, [always]);
  useEffect(() => {
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [active]);
  const choose = (f: Found | undefined, add: boolean) => {
    if (!f) return;
    setOpened(false);
    input.current?.blur();
    onChoose(f.metric, add);
  };
  return (
    <div className="picker" onBlur={(e) => !e.currentTarget.contains(e.relatedTarget) && setOpened(false)}>
      <TextInput
        ref={input}
        size="sm"
        data-search
        role="combobox"
        aria-label="Find a metric"
        aria-expanded={open}
        aria-controls={open && rows.length > 0 ? id : undefined}
        aria-activedescendant={open && rows[active] ? `${id}-${active}` : undefined}
        aria-autocomplete="list"
        autoComplete="off"
        spellCheck={false}
        placeholder="Find a metric: part of its name, a word of its description, its service"
        leftSection={<IconSearch size={15} />}
        rightSection={metrics && <span className="soft picker-count">{count(found.length)}</span>}
        rightSectionWidth={56}
        value={text}
        onChange={(e) => {
          setOpened(true);
          onText(e.currentTarget.value);
        }}
        onFocus={() => setOpened(true)}
        onKeyDown={(e) => {
          if (e.key === "ArrowDown") setActive(Math.min(rows.length - 1, active + 1));
          else if (e.key === "ArrowUp") setActive(Math.max(0, active - 1));
          else if (e.key === "Enter") choose(rows[active], e.shiftKey);
          else if (e.key === "Escape") {
            setOpened(false);
            e.currentTarget.blur();
          } else return;
          e.preventDefault();
        }}
      />
      {children}
      {open && (
        <div ref={list} className={always ? "picker-list panel" : "picker-list picker-float panel"}>
          {metrics === undefined ? (
            error ? <ErrorNote error={error} what="The list of metrics" onRetry={refetch} /> : <Loading rows={8} />
          ) : rows.length === 0 ? (
            <EmptyNote title={text ? `No metric is found by “${beginning(text, 60)}”` : "No metrics in this time"}>
              {text ? "Write less of it, or choose a longer time range: only metrics with data in it are listed." : "Choose a longer time range, or send metrics by OTLP or Prometheus remote write."}
            </EmptyNote>
          ) : (
            <div id={id} role="listbox" aria-label="Metrics">
              {rows.map((f, i) => (
                <Option key={f.metric.name} id={`${id}-${i}`} found={f} text={text} active={i === active} onChoose={(add) => choose(f, add)} canAdd={!always} />
              ))}
            </div>
          )}
          {found.length > shown && <p className="soft picker-more">and {count(found.length - shown)} more: write more of the name</p>}
        </div>
      )}
    </div>
  );
}

function Option({ id, found: { metric, by }, text, active, onChoose, canAdd }: { id: string; found: Found; text: string; active: boolean; onChoose(add: boolean): void; canAdd: boolean }) {
  return (
    <div
      id={id}
      role="option"
      aria-selected={active}
      className="picker-option"
      onPointerDown={(e) => e.preventDefault()}
      onClick={(e) => onChoose(e.shiftKey)}
      title={beginning(`${metric.name}\n${metric.help}`, 600)}
    >
      <span className="picker-name mono ellipsis">
        <bdi>
          <Marked name={metric.name} text={text} />
        </bdi>
      </span>
      <Badge size="sm" radius="sm" variant="light" color={kindColor[metric.kind]} className="picker-kind">
        {metric.kind === "native" ? "histogram" : metric.kind}
        {metric.unit ? `, ${metric.unit}` : ""}
      </Badge>
      <bdi className="soft ellipsis picker-help">
        {by === "service" ? "of this service. " : ""}
        {beginning(metric.help, 200)}
      </bdi>
      {canAdd && (
        // An option must not have a button in it; the keyboard has Shift Enter.
        <span
          aria-hidden
          className="picker-add"
          title="Add to the chart (Shift Enter)"
          onClick={(e) => {
            e.stopPropagation();
            onChoose(true);
          }}
        >
          +
        </span>
      )}
    </div>
  );
}

const kindColor: Record<Metric["kind"], string> = { counter: "blue", histogram: "grape", native: "grape", gauge: "teal", summary: "orange", info: "gray", unknown: "gray" };

function Marked({ name, text }: { name: string; text: string }) {
  const shownName = beginning(name, 200);
  const parts = [];
  let at = 0;
  for (const [from, to] of marks(shownName, text)) {
    parts.push(shownName.slice(at, from), <mark key={from}>{shownName.slice(from, to)}</mark>);
    at = to;
  }
  return (
    <>
      {parts}
      {shownName.slice(at)}
    </>
  );
}
