import "./logs.css";
import { Badge, Button, Group, SegmentedControl, Stack, Switch, UnstyledButton } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useState } from "react";
import { useApi } from "../../api/client";
import { ApiError, get, own } from "../../api/request";
import { type Held } from "../../api/pipelines";
import { type Facets, type Log, type Logs, type Report, type Status } from "../../api/types";
import { useKeys } from "../../app/keys";
import { ConditionInput } from "../../condition/ConditionInput";
import { has, toggle } from "../../condition/edit";
import { count, instant, msOf, plural, short } from "../../time/format";
import { useTime } from "../../time/TimeContext";
import { FacetList } from "../../ui/Facets";
import { TimeChart } from "../../ui/TimeChart";
import { levelColor } from "../../ui/colors";
import { IconFilter, IconPause, IconPlay } from "../../ui/icons";
import { HowToSend } from "../../ui/HowToSend";
import { EmptyNote, ErrorNote, Loading, PartialNote, QueryState } from "../../ui/states";
import { flag, list, oneOf, text } from "../../url/codec";
import { Link } from "../../url/Link";
import { hrefOf, useUrlState } from "../../url/router";
import { LogList } from "./LogList";
import { Patterns } from "./Patterns";
import { useTail } from "./tail";
import { chartOf, type Volume } from "./volume";

/** at and of are the instant and the source that the context is about. */
const fields = { q: text(), view: oneOf("list", "patterns"), live: flag(), open: list(), at: text(), of: text() };

/** LogsPage finds log records, follows them, groups them, and shows what is around one. */
export default function LogsPage() {
  const [state, set] = useUrlState(fields);
  const { api, window, zoom } = useTime();
  const [narrowFilter, setNarrowFilter] = useState(false);
  const around = state.at !== "";
  const volume = useApi<Volume>({ path: around ? undefined : "logs/volume", params: { ...api, q: state.q } });
  const facets = useApi<Facets>({ path: around ? undefined : "facets", params: { kind: "logs", ...api, q: state.q } });
  const chart = useMemo(() => volume.data && chartOf(volume.data), [volume.data]);
  const setQ = useCallback((q: string) => set({ q, at: "", of: "", open: [] }), [set]);
  const setOpen = useCallback((open: string[]) => set({ open: open.slice(-20) }, { replace: true }), [set]);
  useKeys({ l: ["Follow live, or stop", () => set({ live: !state.live, at: "", view: "list" })] });

  const nothing = !around && state.q === "" && !state.live && volume.data?.total === 0 && !volume.isPlaceholderData;
  const status = useApi<Status & { store?: Held }>({ path: nothing ? "status" : undefined, fresh: 0 });

  if (around) return <Around at={state.at} of={state.of} q={state.q} onChange={setQ} opened={state.open} onOpen={setOpen} />;
  if (nothing && status.data?.store?.logs.records === 0) return <FirstRecord />;
  const refused = volume.error instanceof ApiError && volume.error.kind === "bad_query" ? volume.error : undefined;
  return (
    <>
      <ConditionInput kind="logs" value={state.q} onChange={setQ} error={refused?.message} placeholder="words of the text, severity >= warn, http.route = /cart" />
      {!refused && (
        <section className="panel" aria-label="Records over time">
          <div className="panel-head">
            <h1 className="panel-title">Logs</h1>
            <span className="soft">{volume.data ? plural(volume.data.total, "record") : ""}</span>
            <Group gap={4} className="log-legend">
              {(chart?.levels ?? []).map((l) => (
                <UnstyledButton key={l.level} className="legend-item" aria-pressed={has(state.q, levelPart(l.level))} onClick={() => setQ(toggle(state.q, levelPart(l.level)))} title={`${count(l.count)} ${l.level}`}>
                  <span className="service-dot" style={{ background: levelColor[l.level] }} />
                  {l.level} <span className="soft">{short(l.count)}</span>
                </UnstyledButton>
              ))}
            </Group>
          </div>
          <QueryState query={volume} what="The volume" loading={<Loading rows={3} />}>
            {(v) => (
              <>
                <PartialNote report={v.report} />
                {chart && <TimeChart label="Log records over time by severity" times={chart.times} series={chart.series} kind="stacked" height={120} window={window} onZoom={zoom} />}
              </>
            )}
          </QueryState>
        </section>
      )}
      <div className="logs-layout" data-bare={refused || facets.data?.facets.every((f) => f.values.length === 0) ? true : undefined}>
        <aside className="panel logs-facets" data-open={narrowFilter || undefined} aria-label="Values">
          {facets.data && <FacetList facets={facets.data.facets} q={state.q} onChange={setQ} />}
        </aside>
        <section className="panel logs-main">
          <div className="panel-head">
            <SegmentedControl
              aria-label="View"
              value={state.view}
              onChange={(view) => set({ view: view as "list" | "patterns", live: false })}
              data={[
                { value: "list", label: "Records" },
                { value: "patterns", label: "Patterns" },
              ]}
            />
            <Switch size="sm" label="Live" checked={state.live} onChange={(e) => set({ live: e.currentTarget.checked, view: "list", open: [] })} title="Follow new records (l)" />
            <Button variant="default" leftSection={<IconFilter size={14} />} className="narrow-only" aria-expanded={narrowFilter} onClick={() => setNarrowFilter(!narrowFilter)}>
              Values
            </Button>
          </div>
          {refused ? (
            <ErrorNote error={refused} what="The logs" />
          ) : state.live ? (
            <Live q={state.q} onChange={setQ} />
          ) : state.view === "patterns" ? (
            <Patterns q={state.q} onChoose={(q) => set({ q, view: "list" })} />
          ) : (
            <Found q={state.q} onChange={setQ} opened={state.open} onOpen={setOpen} />
          )}
        </section>
      </div>
    </>
  );
}

function levelPart(level: string): string {
  return level === "unset" ? "severity = 0" : `severity = ${level}`;
}

interface ListProps {
  q: string;
  onChange(q: string): void;
  opened: string[];
  onOpen(opened: string[]): void;
}

const page = 200;

/** Found lists the records that were found, and asks for older ones when the end comes into sight. */
function Found({ q, onChange, opened, onOpen }: ListProps) {
  const { api, now } = useTime();
  const query = useInfiniteQuery({
    queryKey: [own, "logs", api, q],
    queryFn: ({ signal, pageParam }) => get<Logs>("logs", { ...api, q, limit: page, cursor: pageParam }, signal),
    initialPageParam: "",
    getNextPageParam: (last) => (last.logs.length < page ? undefined : last.next),
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  });
  const logs = useMemo(() => query.data?.pages.flatMap((p) => p.logs) ?? [], [query.data]);
  const { hasNextPage, isFetching, fetchNextPage, isError } = query;
  const more = useCallback(() => {
    if (hasNextPage && !isFetching && !isError) void fetchNextPage();
  }, [hasNextPage, isFetching, fetchNextPage, isError]);
  if (!query.data) return query.error ? <ErrorNote error={query.error} what="The logs" onRetry={() => void query.refetch()} /> : <Loading rows={12} height={16} />;
  const partial: Report | undefined = query.data.pages.map((p) => p.report).find((r) => r.partial);
  if (logs.length === 0) return <NoLogs q={q} onChange={onChange} report={partial} />;
  return (
    <div className="stale" data-stale={query.isPlaceholderData || undefined}>
      <PartialNote report={partial} />
      <LogList
        logs={logs} now={now} q={q} onChange={onChange} opened={opened} onOpen={onOpen} onEnd={more}
        foot={
          query.error ? (
            <ErrorNote error={query.error} what="More records" onRetry={() => void fetchNextPage()} />
          ) : (
            <p className="soft log-foot">{hasNextPage ? "Reading older records …" : `${plural(logs.length, "record")}, that is all in this time`}</p>
          )
        }
      />
    </div>
  );
}

/** FirstRecord says how to send the first record ever; it goes away when that arrives. */
function FirstRecord() {
  const time = useTime();
  const tail = useTail("", true, false);
  const arrived = tail.logs.length > 0;
  useEffect(() => {
    if (arrived) time.refresh();
  }, [arrived]);
  return (
    <>
      <h1 className="visually-hidden">Logs</h1>
      <HowToSend signal="logs" />
    </>
  );
}

/** NoLogs says where the records are. */
function NoLogs({ q, onChange, report }: { q: string; onChange(q: string): void; report: Report | undefined }) {
  const time = useTime();
  return (
    <EmptyNote title={q ? "No log record matches in this time" : "No log records in this time"}>
      <PartialNote report={report} />
      <Stack align="center" gap="xs">
        {q ? "Choose a longer time range, or remove conditions." : "There are older ones."}
        {q ? (
          <Button variant="default" onClick={() => onChange("")}>
            Remove all conditions
          </Button>
        ) : (
          <Button variant="default" onClick={() => time.setRange({ from: "now-7d", to: "now" })}>
            Show the last 7 days
          </Button>
        )}
      </Stack>
    </EmptyNote>
  );
}

/** Live follows records as they arrive. */
function Live({ q, onChange }: { q: string; onChange(q: string): void }) {
  const { now } = useTime();
  const [paused, setPaused] = useState(false);
  const [opened, setOpened] = useState<string[]>([]);
  const tail = useTail(q, true, paused);
  useKeys({ p: ["Pause, or go on", () => setPaused(!paused)] });
  // Reading a record stops the list from moving away under it.
  useEffect(() => {
    if (opened.length > 0) setPaused(true);
  }, [opened.length]);
  return (
    <>
      <div className="live-bar" role="status">
        <Button variant="default" leftSection={paused ? <IconPlay size={13} /> : <IconPause size={13} />} onClick={() => setPaused(!paused)} title="p">
          {paused ? "Go on" : "Pause"}
        </Button>
        {tail.state === "following" ? (
          <Badge color={paused ? "gray" : "teal"} variant="light">
            {paused ? "paused" : "following"}
          </Badge>
        ) : (
          <Badge color="red" variant="light">
            {tail.state === "lost" ? "refused: too many live tails? close one and switch Live off and on" : "connecting"}
          </Badge>
        )}
        {tail.waiting > 0 && <span>{plural(tail.waiting, "new record")} since the pause</span>}
        {tail.missed > 0 && <span className="soft">{plural(tail.missed, "record")} left out: they arrive faster than this page reads. Add conditions.</span>}
      </div>
      {tail.logs.length === 0 ? (
        <EmptyNote title="Waiting for records">What arrives from now on is shown here as it comes.</EmptyNote>
      ) : (
        <LogList logs={tail.logs} now={now} q={q} onChange={onChange} opened={opened} onOpen={setOpened} />
      )}
    </>
  );
}

/** Around shows the records before and after an instant. */
function Around({ at, of, ...rest }: ListProps & { at: string; of: string }) {
  const { now } = useTime();
  const [limit, setLimit] = useState(30);
  const answer = useApi<{ logs: Log[]; report: Report }>({ path: "logs/context", params: { at, q: of, limit } });
  const ms = /^\d{10,20}$/.test(at) ? msOf(at) : undefined;
  return (
    <section className="panel logs-around">
      <div className="panel-head">
        <h1 className="panel-title">Before and after {ms === undefined ? "" : instant(ms)}</h1>
        <bdi className="soft ellipsis mono">{of || "of all sources"}</bdi>
        <Group gap={6} ml="auto">
          {of && (
            <Button variant="subtle" component={Link} href={hrefOf("/logs", { at })}>
              Of all sources
            </Button>
          )}
          <Button variant="default" onClick={() => setLimit(limit * 3)} disabled={limit > 1000}>
            More
          </Button>
          <Button variant="light" onClick={() => rest.onChange(rest.q)}>
            Back to the search
          </Button>
        </Group>
      </div>
      <QueryState query={answer} what="The records around it">
        {(a) =>
          a.logs.length === 0 ? (
            <EmptyNote title="There is nothing around it">The record may be older than the retention.</EmptyNote>
          ) : (
            <>
              <PartialNote report={a.report} />
              <LogList logs={a.logs.map((l, i) => ({ ...l, cursor: `${l.time}.${i}` }))} now={now} marked={at} {...rest} />
            </>
          )
        }
      </QueryState>
    </section>
  );
}
