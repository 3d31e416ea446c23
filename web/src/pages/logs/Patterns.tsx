import { UnstyledButton } from "@mantine/core";
import { useApi } from "../../api/client";
import { type Report } from "../../api/types";
import { add } from "../../condition/edit";
import { ago, count, instant, msOf, percent, plural, short } from "../../time/format";
import { useTime } from "../../time/TimeContext";
import { levelColor } from "../../ui/colors";
import { beginning } from "../../ui/LongText";
import { EmptyNote, PartialNote, QueryState } from "../../ui/states";

interface Pattern {
  template: string;
  count: number;
  levels: number[];
  first: string;
  last: string;
  example?: string;
  condition?: string;
}

interface Answer {
  records: number;
  distinct: number;
  levels: string[];
  patterns: Pattern[];
  report: Report;
}

/** Patterns shows which forms the bodies have; a click shows the records of one. */
export function Patterns({ q, onChoose }: { q: string; onChoose(q: string): void }) {
  const { api, now } = useTime();
  const answer = useApi<Answer>({ path: "logs/patterns", params: { ...api, q, limit: 200 } });
  return (
    <QueryState query={answer} what="The patterns">
      {(a) =>
        a.patterns.length === 0 ? (
          <EmptyNote title="No log records in this time">Choose a longer time range, or remove conditions.</EmptyNote>
        ) : (
          <>
            <PartialNote report={a.report} />
            <p className="soft patterns-sum">
              {plural(a.records, "record")} in {plural(a.distinct, "form")}
              {a.distinct > a.patterns.length ? `, the ${count(a.patterns.length)} most frequent` : ""}
            </p>
            <ul className="patterns" aria-label="Patterns">
              {a.patterns.map((p) => (
                <li key={p.template}>
                  <PatternRow pattern={p} levels={a.levels} records={a.records} now={now} onChoose={() => p.condition && onChoose(add(q, p.condition))} />
                </li>
              ))}
            </ul>
          </>
        )
      }
    </QueryState>
  );
}

function PatternRow({ pattern: p, levels, records, now, onChoose }: { pattern: Pattern; levels: string[]; records: number; now: number; onChoose(): void }) {
  return (
    <UnstyledButton className="pattern" onClick={onChoose} disabled={!p.condition} title={p.example ? `For example: ${beginning(p.example, 300)}` : undefined}>
      <span className="pattern-count" title={`${count(p.count)}, ${percent(p.count / records)}`}>
        {short(p.count)}
      </span>
      <span className="pattern-bar" aria-label={levels.flatMap((l, i) => (p.levels[i] ? [`${p.levels[i]} ${l}`] : [])).join(", ")} role="img">
        <span style={{ width: `${Math.max(2, (100 * p.count) / records)}%`, display: "flex" }}>
          {levels.map((l, i) => (p.levels[i] ? <span key={l} style={{ flex: p.levels[i], background: levelColor[l] }} /> : null))}
        </span>
      </span>
      <bdi className="pattern-text">
        {beginning(p.template, 400)
          .split("<*>")
          .map((part, i) => (
            <span key={i}>
              {i > 0 && <mark className="pattern-any">*</mark>}
              {part}
            </span>
          ))}
        {p.template === "" && <span className="soft">(no body)</span>}
      </bdi>
      <span className="soft pattern-last" title={`newest ${instant(msOf(p.last))}`}>
        {ago(msOf(p.last), now)}
      </span>
    </UnstyledButton>
  );
}
