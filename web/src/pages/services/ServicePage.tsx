import "./services.css";
import { type ReactNode } from "react";
import { type PageProps } from "..";
import { useApi } from "../../api/client";
import { type Dependencies, type ServiceSeries, type Services } from "../../api/services";
import { duration, percent, plural, short } from "../../time/format";
import { useTime } from "../../time/TimeContext";
import { errorColor, palette, percentileColor } from "../../ui/colors";
import { beginning } from "../../ui/LongText";
import { ServiceName } from "../../ui/ServiceName";
import { EmptyNote, PartialNote, QueryState } from "../../ui/states";
import { TimeChart, type Series } from "../../ui/TimeChart";
import { flag, oneOf } from "../../url/codec";
import { Link } from "../../url/Link";
import { hrefOf, useUrlState } from "../../url/router";
import { Calls } from "./Calls";
import { minutes, previous, rate, sorted, sorts, stepTimes } from "./impact";
import { logsOf, metricsOf, tracesOf } from "../links";
import { Ratings } from "./Ratings";
import { sparkSteps } from "./ServicesPage";

const fields = { sort: oneOf(...sorts), reversed: flag() };

/** ServicePage shows one service: over time, by operation, and who it works with. */
export default function ServicePage({ rest: service }: PageProps) {
  return (
    <>
      <div className="service-head">
        <Link href={hrefOf("/services")}>Services</Link>
        <h1>
          <ServiceName name={service} strong />
        </h1>
        <nav className="service-links" aria-label="What it sent">
          <Link href={tracesOf(service)}>Traces</Link>
          <Link href={tracesOf(service, { failed: true })}>Errors</Link>
          <MaybeLink href={logsOf(service)}>Logs</MaybeLink>
          <MaybeLink href={metricsOf(service)}>Metrics</MaybeLink>
        </nav>
      </div>
      <OverTime service={service} />
      <Operations service={service} />
      <Neighbours service={service} />
    </>
  );
}

function MaybeLink({ href, children }: { href: string | undefined; children: ReactNode }) {
  return href === undefined ? null : <Link href={href}>{children}</Link>;
}

function OverTime({ service }: { service: string }) {
  const { api, window, zoom } = useTime();
  const path = `services/${encodeURIComponent(service)}/series`;
  const answer = useApi<Services>({ path, params: { ...api, step: minutes(window, 120) } });
  return (
    <QueryState query={answer} what="The service">
      {(data) => {
        const row = data.services[0];
        const series = row?.series;
        if (!row || !series) {
          return (
            <section className="panel">
              <EmptyNote title="No spans of this service in this time">Choose a longer time range.</EmptyNote>
            </section>
          );
        }
        const times = stepTimes(data, window.end);
        const step = (data.stepNanos ?? 60e9) / 1e9;
        const load = loadSeries(series, times.length, step);
        const latency = latencySeries(series, times.length);
        const chart = { times, window, onZoom: zoom, height: 170 };
        return (
          <>
            <PartialNote report={data.report} />
            <div className="charts">
              <Panel title={row.entry ? "Requests" : "Spans"} facts={`${short(row.rate)}/s, ${percent(row.count ? row.errors / row.count : 0)} failed`} series={load}>
                <TimeChart label={`Rate of ${service} over time`} {...chart} series={load} kind="area" unit={(v) => `${short(v)}/s`} />
              </Panel>
              <Panel title="Duration" facts={`p95 ${duration(row.p95Nanos)}`} series={latency}>
                <TimeChart label={`Durations of ${service} over time`} {...chart} series={latency} unit={duration} />
              </Panel>
            </div>
          </>
        );
      }}
    </QueryState>
  );
}

function loadSeries(s: ServiceSeries, steps: number, stepSeconds: number): Series[] {
  return [
    { label: "all", values: s.rate.slice(0, steps), color: palette[0] },
    { label: "failed", values: s.errors.slice(0, steps).map((n) => n / stepSeconds), color: errorColor },
  ];
}

function latencySeries(s: ServiceSeries, steps: number): Series[] {
  return (["p50", "p95", "p99"] as const).map((p) => ({ label: p, values: s[`${p}Nanos`].slice(0, steps), color: percentileColor[p] ?? "" }));
}

function Panel({ title, facts, series, children }: { title: string; facts: string; series: Series[]; children: ReactNode }) {
  return (
    <section className="panel">
      <div className="panel-head">
        <h2 className="panel-title">{title}</h2>
        <span className="soft">{facts}</span>
        <span className="chart-legend">
          {series.map((s) => (
            <span key={s.label}>
              <span className="service-dot" style={{ background: s.color }} aria-hidden />
              {s.label}
            </span>
          ))}
        </span>
      </div>
      {children}
    </section>
  );
}

function Operations({ service }: { service: string }) {
  const [state, set] = useUrlState(fields);
  const { api, window } = useTime();
  const path = `services/${encodeURIComponent(service)}/operations`;
  const operations = useApi<Services>({ path, params: { ...api, step: minutes(window, sparkSteps) } });
  const before = previous(window);
  const earlier = useApi<Services>({ path, params: { start: Math.floor(before.start), end: Math.floor(before.end) } });
  return (
    <section className="panel">
      <div className="panel-head">
        <h2 className="panel-title">Operations</h2>
        <span className="soft">{operations.data && plural(operations.data.services.length, "operation")}; a row leads to its traces</span>
      </div>
      <QueryState query={operations} what="The operations">
        {(data) =>
          data.services.length === 0 ? (
            <EmptyNote title="No operations in this time">Choose a longer time range.</EmptyNote>
          ) : (
            <>
              <PartialNote report={data.report} />
              <Ratings
                label="Operations"
                rows={sorted(rate(data.services, earlier.data?.services), state.sort, state.reversed)}
                tall
                name={{
                  title: "Operation",
                  cell: (r) => (
                    <span className="operation" title={r.row.operation && beginning(r.row.operation, 300)}>
                      <bdi className="two-lines">{beginning(r.row.operation || "(no name)", 200)}</bdi>
                      <span className="kind">{r.row.kind}</span>
                    </span>
                  ),
                }}
                href={(r) => tracesOf(service, { operation: r.row.operation ?? "", ...(r.row.kind ? { kind: r.row.kind } : {}) })}
                steps={stepTimes(data, window.end).length}
                compared={(earlier.data?.services.length ?? 0) > 0}
                sort={state.sort}
                reversed={state.reversed}
                onSort={(sort) => set({ sort, reversed: sort === state.sort && !state.reversed }, { replace: true })}
                height={420}
              />
            </>
          )
        }
      </QueryState>
    </section>
  );
}

function Neighbours({ service }: { service: string }) {
  const { api, window } = useTime();
  const answer = useApi<Dependencies>({ path: "dependencies", params: api });
  const seconds = (window.end - window.start) / 1000;
  return (
    <section className="panel">
      <div className="panel-head">
        <h2 className="panel-title">Calls</h2>
        <span className="soft">who calls it, and whom it calls</span>
      </div>
      <QueryState query={answer} what="The calls">
        {(data) => {
          const own = data.edges.filter((e) => e.caller === service || (e.callee === service && e.type === "service"));
          return own.length === 0 ? (
            <EmptyNote title="No calls in this time">A call is known when both sides send spans of the same trace.</EmptyNote>
          ) : (
            <>
              <PartialNote report={data.report} />
              <Calls calls={own} seconds={seconds} height={240} />
            </>
          );
        }}
      </QueryState>
    </section>
  );
}
