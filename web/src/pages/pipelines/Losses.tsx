import { type Loss } from "../../api/pipelines";
import { ago, count, instant, msOf, plural } from "../../time/format";
import { useTime } from "../../time/TimeContext";
import { ErrorMark } from "../../ui/ErrorMark";
import { IconCheck, IconError } from "../../ui/icons";
import { LongText } from "../../ui/LongText";
import { becameOf } from "./losses";

/** Losses lists what did not come out of the pipelines: where, and why. */
export function Losses({ losses }: { losses: Loss[] }) {
  const { now } = useTime();
  return (
    <section className="panel" id="losses" tabIndex={-1}>
      <div className="panel-head">
        <h2 className="panel-title">Losses</h2>
        {losses.length === 0 ? (
          <span className="ok">
            <IconCheck size={14} /> none since the start
          </span>
        ) : (
          <span className="soft">{plural(losses.length, "kind")}, since the start; the latest first</span>
        )}
      </div>
      <div role="list" aria-label="Losses" tabIndex={0} style={{ maxHeight: 420, overflowY: "auto" }}>
        {losses.map((l) => (
          <div key={`${l.kind} ${l.component} ${l.signal} ${l.outcome} ${l.reason}`} className="problem" role="listitem">
            <span className={l.outcome === "failed" ? "problem-level bad" : "problem-level"}>
              {l.outcome === "failed" ? <ErrorMark size={13} /> : <IconError size={13} />}
              {l.outcome}
            </span>
            <span className="ellipsis" title={`${l.kind} ${l.component} ${l.signal}`}>
              <bdi>{l.component}</bdi> <span className="part-kind">{`${l.kind}, ${l.signal}`}</span>
            </span>
            <span>
              {becameOf(l, count(l.items))}
              {l.error && (
                <div className="problem-detail">
                  <LongText text={l.error} limit={300} />
                </div>
              )}
            </span>
            <span className="soft num" title={instant(msOf(l.last))}>
              {ago(msOf(l.last), Math.max(now, msOf(l.last)))}
            </span>
          </div>
        ))}
      </div>
    </section>
  );
}
