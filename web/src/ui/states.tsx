/**
 * What a view shows when it has nothing to show: it is asking, it failed, there
 * is nothing, or part of the answer is missing. Each says what to do.
 */
import { Alert, Button, Code, CopyButton, Group, Skeleton, Stack, Text, Title, ActionIcon } from "@mantine/core";
import { type UseQueryResult } from "@tanstack/react-query";
import { type ReactNode } from "react";
import { ApiError } from "../api/request";
import { type Report } from "../api/types";
import { count } from "../time/format";
import { IconCheck, IconCopy, IconError } from "./icons";

/** Loading stands for rows that are on their way. */
export function Loading({ rows = 6, height = 22 }: { rows?: number; height?: number }) {
  return (
    <Stack gap={8} role="status" aria-label="Loading" p="xs">
      {Array.from({ length: rows }, (_, i) => (
        <Skeleton key={i} height={height} width={`${100 - ((i * 17) % 40)}%`} />
      ))}
    </Stack>
  );
}

/** ErrorNote says what went wrong and what can be done about it. */
export function ErrorNote({ error, onRetry, what = "This" }: { error: unknown; onRetry?: () => void; what?: string }) {
  const missing = error instanceof ApiError && error.kind === "not_found";
  return (
    <Alert color="red" variant="light" icon={<IconError size={18} />} title={missing ? `${what} was not found` : `${what} could not be shown`} m="xs" role="alert">
      {!missing && (
        <Text size="sm" mb={4} style={{ overflowWrap: "anywhere" }}>
          {messageOf(error)}
        </Text>
      )}
      <Text size="sm" c="dimmed">
        {adviceOn(error)}
      </Text>
      {onRetry && (
        <Button size="xs" variant="default" mt="xs" onClick={onRetry}>
          Try again
        </Button>
      )}
    </Alert>
  );
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function adviceOn(error: unknown): string {
  const kind = error instanceof ApiError ? error.kind : "";
  switch (kind) {
    case "unreachable":
      return "Start it with “signalbox up”, then try again.";
    case "timeout":
      return "Choose a shorter time range or add conditions, so that less has to be read.";
    case "unavailable":
      return "Many questions are asked at the same time. Wait a few seconds.";
    case "bad_query":
      return "Correct the condition, or remove it.";
    case "bad_data":
      return "Correct the expression.";
    case "not_found":
      return "It may be older than the retention, or not have arrived yet.";
    case "operator":
      return "Look whether the operator runs: kubectl get pods -A -l app.kubernetes.io/name=opentelemetry-operator";
    case "corrupt":
      return "Data on disk is damaged; the log of Signalbox names the file.";
  }
  return "If it stays, the log of Signalbox says more.";
}

/** EmptyNote says that there is nothing, and what could change that. */
export function EmptyNote({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <Stack align="center" gap={6} py="xl" px="md" role="status">
      <Title order={3} size="h5" fw={600}>
        {title}
      </Title>
      {children && (
        <Text size="sm" c="dimmed" ta="center" component="div" maw={560}>
          {children}
        </Text>
      )}
    </Stack>
  );
}

/** PartialNote warns that the answer is not all there is. */
export function PartialNote({ report }: { report: Report | undefined }) {
  if (!report?.partial) return null;
  const damaged = report.unreadable?.length ?? 0;
  return (
    <Alert color="yellow" variant="light" py={6} px="sm" icon={<IconError />} role="status">
      <Text size="sm">
        This is not everything
        {report.stopped ? `: reading ended at the ${report.stopped}, after ${count(report.rows)} records` : ""}
        {damaged > 0 ? `${report.stopped ? "; " : ": "}${damaged} damaged ${damaged === 1 ? "block" : "blocks"} of the store could not be read` : ""}
        .{report.stopped ? " Choose a shorter time range or add conditions." : ""}
      </Text>
    </Alert>
  );
}

/**
 * QueryState shows what query knows: its data by children, or why there is none.
 * While newer data is on its way the old stays, a little paler.
 */
export function QueryState<T>({
  query,
  children,
  what,
  loading,
}: {
  query: UseQueryResult<T>;
  children: (data: T) => ReactNode;
  what?: string;
  loading?: ReactNode;
}) {
  if (query.data === undefined) {
    if (query.error) return <ErrorNote error={query.error} onRetry={() => void query.refetch()} {...(what ? { what } : {})} />;
    return loading ?? <Loading />;
  }
  return (
    <div data-stale={query.isPlaceholderData || undefined} className="stale">
      {query.error && <ErrorNote error={query.error} onRetry={() => void query.refetch()} {...(what ? { what } : {})} />}
      {children(query.data)}
    </div>
  );
}

/** CopyIcon copies text. */
export function CopyIcon({ text, label = "Copy" }: { text: string; label?: string }) {
  return (
    <CopyButton value={text} timeout={1500}>
      {({ copied, copy }) => (
        <ActionIcon variant="subtle" color={copied ? "teal" : "gray"} size="sm" onClick={copy} aria-label={label} title={copied ? "Copied" : label}>
          {copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
        </ActionIcon>
      )}
    </CopyButton>
  );
}

/** CopyLine is a command to paste into a terminal. */
export function CopyLine({ text, label }: { text: string; label: string }) {
  return (
    <Group gap={4} wrap="nowrap" align="flex-start" className="copyline">
      <Code block style={{ flex: 1, minWidth: 0, whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
        {text}
      </Code>
      <CopyIcon text={text} label={`Copy: ${label}`} />
    </Group>
  );
}
