import { Button, Group, TextInput } from "@mantine/core";
import { useMemo, useState } from "react";
import { useApi } from "../../api/client";
import { type SpanCore, type Trace } from "../../api/types";
import { quote } from "../../condition/edit";
import { duration, instant, msOf } from "../../time/format";
import { DataTable, type Column } from "../../ui/DataTable";
import { beginning } from "../../ui/LongText";
import { ServiceName } from "../../ui/ServiceName";
import { useNarrow } from "../../ui/useNarrow";
import { EmptyNote, QueryState } from "../../ui/states";
import { Link } from "../../url/Link";
import { hrefOf } from "../../url/router";
import { askTrace } from "../first";
import { compare, groupsOf, modelOf, type Difference, type Model } from "./model";

/** Compare lays this trace over another, or over a typical one of the same operation. */
export default function Compare({ model, other, onOther }: { model: Model; other: string; onOther(id: string): void }) {
  return other === "" ? <Choose model={model} onOther={onOther} /> : <Laid model={model} other={other} onOther={onOther} />;
}

/** Choose finds a trace to compare with. */
function Choose({ model, onOther }: { model: Model; onOther(id: string): void }) {
  const [id, setId] = useState("");
  const { trace } = model;
  const start = msOf(trace.start);
  const alike = useApi<{ spans: SpanCore[] }>({
    path: "spans",
    params: {
      start: String(Math.floor(start - 3_600_000)),
      end: String(Math.ceil(start + 3_600_000)),
      q: `span:parentID = nil && resource.service.name = ${quote(trace.rootService)} && name = ${quote(trace.rootName)}`,
      limit: 500,
    },
  });
  const valid = /^[0-9a-fA-F]{1,32}$/.test(id.trim());
  return (
    <div className="compare-choose">
      <QueryState query={alike} what="Other traces">
        {(data) => {
          const others = data.spans.filter((s) => s.traceId !== trace.traceId).sort((a, b) => a.durationNanos - b.durationNanos);
          const typical = others[Math.floor(others.length / 2)];
          const fastest = others[0];
          const slowest = others.at(-1);
          if (!typical || !fastest || !slowest) return <EmptyNote title="No other trace of this operation within an hour">Enter the id of any trace to compare with it.</EmptyNote>;
          const choice = (label: string, s: SpanCore) => (
            <Button variant="default" onClick={() => onOther(s.traceId ?? "")}>
              {label}: {duration(s.durationNanos)}
            </Button>
          );
          return (
            <>
              <p>
                Compare with another <bdi>{beginning(trace.rootName, 100)}</bdi> of the hour before and after:
              </p>
              <Group gap="xs">
                {choice("a typical one", typical)}
                {choice("the fastest", fastest)}
                {choice("the slowest", slowest)}
              </Group>
            </>
          );
        }}
      </QueryState>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          if (valid) onOther(id.trim().toLowerCase());
        }}
      >
        <Group gap="xs" align="flex-end">
          <TextInput label="or with any trace" placeholder="trace id" value={id} onChange={(e) => setId(e.currentTarget.value)} classNames={{ input: "mono" }} style={{ width: 280 }} />
          <Button type="submit" disabled={!valid}>
            Compare
          </Button>
        </Group>
      </form>
    </div>
  );
}

function Laid({ model, other, onOther }: { model: Model; other: string; onOther(id: string): void }) {
  const answer = useApi<Trace>(askTrace(other));
  const back = (
    <Button variant="default" onClick={() => onOther("")}>
      Choose another
    </Button>
  );
  return (
    <>
      <QueryState query={answer} what="The other trace">
        {(t) => <Lines model={model} trace={t} />}
      </QueryState>
      <div className="compare-back">{back}</div>
    </>
  );
}

function Lines({ model, trace }: { model: Model; trace: Trace }) {
  const narrow = useNarrow();
  const rows = useMemo(() => compare(groupsOf(model.items), groupsOf(modelOf(trace).items)), [model, trace]);
  const most = Math.max(1, ...rows.map((d) => Math.abs((d.a?.total ?? 0) - (d.b?.total ?? 0))));
  return (
    <>
      <p className="compare-head">
        <b>This</b> {duration(model.length)}, <b>other</b>{" "}
        <Link href={hrefOf(`/trace/${trace.traceId}`)}>{duration(trace.durationNanos)}</Link>{" "}
        <span className="soft">
          <bdi>{beginning(trace.rootName, 100)}</bdi>, {instant(msOf(trace.start), 0)}
        </span>
      </p>
      <DataTable label="Differences" columns={columnsOf(most, narrow)} rows={rows} rowKey={(d) => String(rows.indexOf(d))} height="65vh" rowHeight={narrow ? 46 : 28} />
    </>
  );
}

function columnsOf(most: number, narrow: boolean): Column<Difference>[] {
  const amount = (g: Difference["a"]) => (g ? `${duration(g.total)}${g.count > 1 ? ` × ${g.count}` : ""}` : "–");
  return [
    {
      id: "name", title: "Span", width: "minmax(0, 2fr)",
      cell: (d) => (
        <span className="row-name tall" style={{ paddingLeft: (narrow ? 6 : 13) * Math.min(d.depth, 14) }}>
          <ServiceName name={d.service} />
          <bdi className="ellipsis" title={beginning(d.name, 300)}>{beginning(d.name, 200)}</bdi>
        </span>
      ),
    },
    { id: "a", title: "This", width: narrow ? "58px" : "110px", align: "right", cell: (d) => amount(d.a) },
    { id: "b", title: "Other", width: narrow ? "58px" : "110px", align: "right", cell: (d) => amount(d.b) },
    {
      id: "difference", title: "Difference", width: narrow ? "68px" : "minmax(0, 1fr)", align: "right",
      cell: (d) => {
        if (!d.a) return "only other";
        if (!d.b) return "only this";
        const by = d.a.total - d.b.total;
        const share = (50 * Math.abs(by)) / most;
        return (
          <span className="delta">
            <span className="delta-bar" data-slower={by > 0 || undefined} style={by > 0 ? { left: "50%", width: `${share}%` } : { right: "50%", width: `${share}%` }} aria-hidden />
            <span>{by === 0 ? "the same" : `${by > 0 ? "+" : ""}${duration(by)}`}</span>
          </span>
        );
      },
    },
  ];
}
