import { type ServiceSeries } from "../../api/services";
import { duration, percent, short } from "../../time/format";
import { DataTable, type Column } from "../../ui/DataTable";
import { ErrorMark } from "../../ui/ErrorMark";
import { errorColor } from "../../ui/colors";
import { useNarrow } from "../../ui/useNarrow";
import { change, errorRate, errorRates, keyOf, sparkPath, type Rated, type Sort } from "./impact";

interface Props {
  label: string;
  rows: Rated[];
  /** name is the first column. */
  name: { title: string; cell(r: Rated): React.ReactNode };
  href(r: Rated): string;
  /** steps is how many steps of the series have ended. */
  steps: number;
  /** compared says that the period before is known. */
  compared: boolean;
  sort: Sort;
  reversed: boolean;
  onSort(by: Sort): void;
  height?: number | string;
  /** tall has room for three lines in the first column on narrow screens. */
  tall?: boolean;
}

/** Ratings is a table of rate, errors, durations and impact. */
export function Ratings(props: Props) {
  const { steps, compared, sort, reversed } = props;
  const ascending = sort === "name";
  const narrow = useNarrow();
  return (
    <DataTable
      label={props.label}
      columns={columns(props.name, steps, compared, narrow)}
      rows={props.rows}
      rowKey={(r) => keyOf(r.row)}
      href={props.href}
      rowHeight={props.tall && narrow ? 60 : 46}
      height={props.height ?? "70vh"}
      sorted={{ id: sort, descending: ascending === reversed }}
      onSort={(id) => props.onSort(id as Sort)}
    />
  );
}

function columns(name: Props["name"], steps: number, compared: boolean, narrow: boolean): Column<Rated>[] {
  const series = (of: (s: ServiceSeries) => (number | null)[]) => (r: Rated) => r.row.series && of(r.row.series).slice(0, steps);
  const rates = series((s) => s.rate);
  const failures = series(errorRates);
  const p95s = series((s) => s.p95Nanos);
  const before = (r: Rated, of: (b: NonNullable<Rated["before"]>) => number) => (r.before ? of(r.before) : undefined);
  const time = (id: "p50" | "p99", of: "p50Nanos" | "p99Nanos"): Column<Rated> => ({
    id, title: id, width: "78px", align: "right", wide: true, sort: true,
    cell: (r) => <Number text={duration(r.row[of])} now={r.row[of]} before={before(r, (b) => b[of])} rising="worse" />,
  });
  return [
    { id: "name", title: name.title, width: narrow ? "minmax(0, 1fr)" : "minmax(96px, 1.4fr)", sort: true, cell: name.cell },
    {
      id: "rate", title: "Rate", width: narrow ? "56px" : "minmax(76px, 0.7fr)", align: "right", sort: true,
      cell: (r) => (
        <Number text={`${short(r.row.rate)}/s`} now={r.row.rate} before={compared ? (before(r, (b) => b.rate) ?? 0) : undefined} spark={rates(r)} />
      ),
    },
    {
      id: "errors", title: "Errors", width: narrow ? "66px" : "minmax(66px, 0.7fr)", align: "right", sort: true,
      cell: (r) => (
        <Number text={percent(r.errorRate)} now={r.errorRate} before={before(r, errorRate)} rising="worse" spark={failures(r)} color={errorColor} failed={r.row.errors} />
      ),
    },
    time("p50", "p50Nanos"),
    {
      id: "p95", title: "p95", width: narrow ? "60px" : "minmax(72px, 0.7fr)", align: "right", sort: true,
      cell: (r) => <Number text={duration(r.row.p95Nanos)} now={r.row.p95Nanos} before={before(r, (b) => b.p95Nanos)} rising="worse" spark={p95s(r)} />,
    },
    time("p99", "p99Nanos"),
    {
      id: "impact", title: "Impact", width: "minmax(110px, 0.8fr)", wide: true, sort: true,
      cell: (r) => (
        <span className="impact" title={`${duration(r.row.totalNanos)} in total: ${percent(r.impact)} of the time that all of them took`}>
          <span className="impact-track" aria-hidden>
            <span className="impact-bar" style={{ width: `${100 * r.impact}%` }} />
          </span>
          <span className="impact-text">{percent(r.impact)}</span>
        </span>
      ),
    },
  ];
}

interface NumberProps {
  text: string;
  now: number;
  before: number | undefined;
  /** rising says what a growing number means; by default nothing. */
  rising?: "worse";
  spark?: (number | null)[] | undefined;
  color?: string;
  failed?: number;
}

/** Number is a number over time with its change against the period before. */
function Number({ text, now, before, rising, spark, color, failed }: NumberProps) {
  const changed = change(now, before);
  return (
    <span className="rated">
      {spark && <Spark values={spark} color={color} />}
      <span className="rated-text">
        <span style={{ display: "inline-flex", gap: 4, alignItems: "center" }}>
          {failed ? <ErrorMark size={12} title={`${failed} failed`} /> : null}
          {text}
        </span>
        {changed && (
          <span
            className="rated-change"
            data-worse={(rising && changed.up) || undefined}
            data-better={(rising && !changed.up) || undefined}
            title="against the period of the same length before"
          >
            {`${changed.up ? "▲" : "▼"} ${changed.text.replace(/^[+−]/, "")}`}
          </span>
        )}
      </span>
    </span>
  );
}

function Spark({ values, color = "var(--accent)" }: { values: (number | null)[]; color?: string | undefined }) {
  const [width, height] = [64, 22];
  return (
    <svg className="spark" width={width} height={height} viewBox={`-1 -1 ${width + 2} ${height + 2}`} aria-hidden>
      <path d={`M0 ${height}H${width}`} stroke="var(--line)" />
      {values.some((v) => v) && <path d={sparkPath(values, width, height)} fill="none" stroke={color} strokeWidth="1.4" strokeLinejoin="round" strokeLinecap="round" />}
    </svg>
  );
}
