import { type Problem } from "../../api/pipelines";
import { ago, count, instant, msOf, plural } from "../../time/format";
import { useTime } from "../../time/TimeContext";
import { ErrorMark } from "../../ui/ErrorMark";
import { IconCheck, IconError } from "../../ui/icons";
import { LongText } from "../../ui/LongText";

/** Problems lists what components warned of lately. */
export function Problems({ problems }: { problems: Problem[] }) {
  const { now } = useTime();
  return (
    <section className="panel" id="problems" tabIndex={-1}>
      <div className="panel-head">
        <h2 className="panel-title">Warnings and errors</h2>
        {problems.length === 0 ? (
          <span className="ok">
            <IconCheck size={14} /> none since the start
          </span>
        ) : (
          <span className="soft">the latest {plural(problems.length, "kind")}, since the start</span>
        )}
      </div>
      <div role="list" aria-label="Warnings and errors" tabIndex={0} style={{ maxHeight: 420, overflowY: "auto" }}>
        {problems.map((p) => (
          <div key={`${p.kind} ${p.component} ${p.signal} ${p.message} ${p.detail}`} className="problem" role="listitem">
            <span className={p.level === "error" ? "problem-level bad" : "problem-level"}>
              {p.level === "error" ? <ErrorMark size={13} /> : <IconError size={13} />}
              {p.level}
            </span>
            <span className="ellipsis" title={`${p.kind ?? "the collector"} ${p.component ?? ""} ${p.signal ?? ""}`}>
              <bdi>{p.component ?? "the collector"}</bdi> <span className="part-kind">{[p.kind, p.signal].filter(Boolean).join(", ")}</span>
            </span>
            <span>
              <LongText text={p.message} limit={240} />
              {p.detail && (
                <div className="problem-detail">
                  <LongText text={p.detail} limit={300} />
                </div>
              )}
            </span>
            <span className="soft num" title={instant(msOf(p.last))}>
              {p.count > 1 ? `${count(p.count)} times, ` : ""}
              {ago(msOf(p.last), Math.max(now, msOf(p.last)))}
            </span>
          </div>
        ))}
      </div>
    </section>
  );
}
