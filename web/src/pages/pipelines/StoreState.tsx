import { type ReactNode } from "react";
import { useApi } from "../../api/client";
import { type Held, type HeldRecords } from "../../api/pipelines";
import { bytes, count, instant, plural, short } from "../../time/format";
import { ErrorMark } from "../../ui/ErrorMark";
import { IconCheck } from "../../ui/icons";
import { EmptyNote, QueryState } from "../../ui/states";

/** StoreState says what is kept, and whether the store takes more. */
export function StoreState() {
  const status = useApi<{ store?: Held }>({ path: "status", fresh: 5000 });
  return (
    <section className="panel">
      <div className="panel-head">
        <h2 className="panel-title">Store</h2>
        {status.data?.store && <Health held={status.data.store} />}
      </div>
      <QueryState query={status} what="The store">
        {({ store }) => (store ? <Facts held={store} /> : <EmptyNote title="This server has no store of its own" />)}
      </QueryState>
    </section>
  );
}

function Health({ held }: { held: Held }) {
  const reasons = [["spans", held.spans.refusing], ["log records", held.logs.refusing]].filter(([, reason]) => reason);
  return (
    <>
      {reasons.map(([what, reason]) => (
        <span key={what} className="bad" role="alert">
          <ErrorMark size={14} /> refuses {what}: {reason}
        </span>
      ))}
      {held.quarantinedFiles > 0 && (
        <span className="bad">
          <ErrorMark size={14} /> {plural(held.quarantinedFiles, "damaged file")} set aside; the log names them
        </span>
      )}
      {reasons.length === 0 && held.quarantinedFiles === 0 && (
        <span className="ok">
          <IconCheck size={14} /> takes everything, nothing damaged
        </span>
      )}
    </>
  );
}

function Facts({ held }: { held: Held }) {
  return (
    <dl className="store-facts">
      <Fact name="Spans">{records(held.spans)}</Fact>
      <Fact name="Log records">{records(held.logs)}</Fact>
      <Fact name="Traces and logs on disk">
        {bytes(held.bytes)}, {bytes(held.walBytes)} of it not yet in blocks
      </Fact>
      <Fact name="Metrics">
        {count(held.metrics.series)} series in memory, {plural(held.metrics.blocks, "block")} of {bytes(held.metrics.blockBytes)}
      </Fact>
      <Fact name="Damaged files">{count(held.quarantinedFiles)}</Fact>
      <Fact name="Directory">
        <code>{held.directory}</code>
      </Fact>
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function records(r: HeldRecords): ReactNode {
  return (
    <>
      {short(r.records)} in {plural(r.blocks, "block")}
      {r.oldest && <div className="soft">since {instant(Date.parse(r.oldest), 0)}</div>}
    </>
  );
}
