import "./services.css";
import { SegmentedControl } from "@mantine/core";
import { lazy, Suspense } from "react";
import { useApi } from "../../api/client";
import { type Services } from "../../api/services";
import { useTime } from "../../time/TimeContext";
import { ServiceName } from "../../ui/ServiceName";
import { EmptyNote, Loading, PartialNote, QueryState } from "../../ui/states";
import { flag, oneOf } from "../../url/codec";
import { Link } from "../../url/Link";
import { hrefOf, useUrlState } from "../../url/router";
import { minutes, previous, rate, sorted, sorts, stepTimes } from "./impact";
import { serviceHref } from "../links";
import { Ratings } from "./Ratings";

const ServiceMap = lazy(() => import("./ServiceMap"));

const fields = { view: oneOf("table", "map"), sort: oneOf(...sorts), reversed: flag() };

/** sparkSteps is how many values a sparkline has at most. */
export const sparkSteps = 30;

/** ServicesPage lists services by impact, or draws who calls whom. */
export default function ServicesPage() {
  const [state, set] = useUrlState(fields);
  const { api, window } = useTime();
  const services = useApi<Services>({ path: "services", params: { ...api, step: minutes(window, sparkSteps) } });
  const before = previous(window);
  const earlier = useApi<Services>({ path: "services", params: { start: Math.floor(before.start), end: Math.floor(before.end) } });
  return (
    <section className="panel">
      <div className="panel-head">
        <h1 className="panel-title">Services</h1>
        <SegmentedControl
          aria-label="Show as"
          value={state.view}
          onChange={(view) => set({ view: view as "table" | "map" })}
          data={[{ value: "table", label: "Table" }, { value: "map", label: "Map" }]}
        />
        {state.view === "table" && <span className="soft wide-only">▲ ▼ against the period of the same length before</span>}
      </div>
      <QueryState query={services} what="The services">
        {(data) =>
          data.services.length === 0 ? (
            <EmptyNote title="No services in this time">
              Services appear with the first span that they send. Choose a longer time range, or see on the{" "}
              <Link href={hrefOf("/traces")}>page of traces</Link> where to send data.
            </EmptyNote>
          ) : state.view === "map" ? (
            <Suspense fallback={<Loading rows={8} />}>
              <ServiceMap services={data} />
            </Suspense>
          ) : (
            <>
              <PartialNote report={data.report} />
              <Ratings
                label="Services"
                rows={sorted(rate(data.services, earlier.data?.services), state.sort, state.reversed)}
                name={{ title: "Service", cell: (r) => <ServiceName name={r.row.service} strong /> }}
                href={(r) => serviceHref(r.row.service)}
                steps={stepTimes(data, window.end).length}
                compared={(earlier.data?.services.length ?? 0) > 0}
                sort={state.sort}
                reversed={state.reversed}
                onSort={(sort) => set({ sort, reversed: sort === state.sort && !state.reversed }, { replace: true })}
              />
            </>
          )
        }
      </QueryState>
    </section>
  );
}
