import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, type ReactNode } from "react";
import { useKeys } from "../../app/keys";
import { type Log } from "../../api/types";
import { instant, msOf, near, utc } from "../../time/format";
import { levelColor } from "../../ui/colors";
import { IconError } from "../../ui/icons";
import { beginning } from "../../ui/LongText";
import { ServiceName } from "../../ui/ServiceName";
import { useRows } from "../../ui/useRows";
import { bodyLine } from "./record";
import { LogDetail } from "./LogDetail";

interface Props {
  logs: Log[];
  now: number;
  q: string;
  onChange(q: string): void;
  opened: string[];
  onOpen(opened: string[]): void;
  /** marked is the time of the records that stand out. */
  marked?: string;
  /** onEnd is called when the last rows come into sight. */
  onEnd?: () => void;
  foot?: ReactNode;
}

/**
 * LogList shows log records of any number, newest first; a click or Enter opens
 * one in its place.
 */
export function LogList({ logs, now, q, onChange, opened, onOpen, marked, onEnd, foot }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: logs.length,
    getScrollElement: () => scroller.current,
    getItemKey: (i) => logs[i]?.cursor || i,
    estimateSize: () => 27,
    overscan: 10,
  });
  const toggle = (log: Log | undefined) => {
    if (!log) return;
    onOpen(opened.includes(log.cursor) ? opened.filter((c) => c !== log.cursor) : [...opened, log.cursor]);
  };
  const keyed = useRows(logs.length, scroller, virtual);
  const { active, move } = keyed;
  useKeys({
    j: ["Next record", () => move(active + 1)],
    k: ["Previous record", () => move(active - 1)],
    Enter: ["Open or close the record", () => toggle(logs[active])],
    Escape: ["Close all records", () => onOpen([])],
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (logs.length > 0 && last >= logs.length - 20) onEnd?.();
  }, [last, logs.length, onEnd]);
  const markedAt = marked === undefined ? -1 : logs.findIndex((l) => l.time === marked);
  useEffect(() => {
    if (markedAt >= 0) virtual.scrollToIndex(markedAt, { align: "center" });
  }, [markedAt, marked, virtual]);
  return (
    <div ref={scroller} className="log-list" tabIndex={-1} onFocus={keyed.onFocus} onKeyDown={keyed.onKeyDown}>
      <div role="list" aria-label="Log records" style={{ height: virtual.getTotalSize(), position: "relative" }}>
        {items.map((item) => {
          const log = logs[item.index];
          if (!log) return null;
          const open = opened.includes(log.cursor);
          return (
            <div
              key={item.key}
              ref={virtual.measureElement}
              data-index={item.index}
              role="listitem"
              className="log-item"
              data-active={item.index === active || undefined}
              data-marked={log.time === marked || undefined}
              style={{ transform: `translateY(${item.start}px)` }}
            >
              <button type="button" className="log-row" data-index={item.index} tabIndex={keyed.tabIndex(item.index)} aria-expanded={open} onClick={() => toggle(log)}>
                <LogLine log={log} now={now} />
              </button>
              {open && <LogDetail log={log} q={q} onChange={onChange} />}
            </div>
          );
        })}
      </div>
      {foot}
    </div>
  );
}

function LogLine({ log, now }: { log: Log; now: number }) {
  const ms = msOf(log.time);
  const bad = log.level === "error" || log.level === "fatal";
  return (
    <>
      <span className="log-level" style={{ background: levelColor[log.level] }} aria-hidden />
      <span className="log-time" title={`${instant(ms)}\n${utc(ms)}`}>
        {near(ms, now).slice(0, -4)}
        <span className="log-ms">{near(ms, now).slice(-4)}</span>
      </span>
      <span className="log-word" data-level={log.level}>
        {bad && <IconError size={12} />}
        {log.level === "unset" ? "" : log.level}
      </span>
      <span className="log-service">
        <ServiceName name={log.service} />
      </span>
      <bdi className="ellipsis log-text">{beginning(bodyLine(log), 400) || <span className="soft">(no body)</span>}</bdi>
    </>
  );
}
