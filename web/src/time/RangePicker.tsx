import { ActionIcon, Button, Divider, Group, Popover, Select, Stack, Text, TextInput, UnstyledButton } from "@mantine/core";
import { useIsFetching } from "@tanstack/react-query";
import { useState } from "react";
import { IconClock, IconDown, IconRefresh, IconZoomOut } from "../ui/icons";
import { useAfterPaint } from "../ui/useAfterPaint";
import { duration, instant, near, utc } from "./format";
import { refreshes } from "./opened";
import { checkRange, isRelative, parseInstant, presets, widen, type TimeRange } from "./range";
import { useTime } from "./TimeContext";

/** RangePicker chooses the time range of the page, and how often it asks again. */
export function RangePicker() {
  const time = useTime();
  const [opened, setOpened] = useState(false);
  const fetching = useIsFetching() > 0;
  const painted = useAfterPaint(true); // a button alone is drawn in a third of the time
  const button = (
    <Button
      variant="default"
      size="xs"
      leftSection={<IconClock size={14} />}
      rightSection={<IconDown size={12} />}
      onClick={() => setOpened(!opened)}
      aria-expanded={opened}
      title={`${instant(time.window.start)} to ${instant(time.window.end)}\n${utc(time.window.start)} to ${utc(time.window.end)}`}
      className="range-button"
    >
      {labelOf(time.range, time.now)}
    </Button>
  );
  return (
    <Group gap={2} wrap="nowrap">
      {painted ? (
        <Popover opened={opened} onChange={setOpened} position="bottom-end" shadow="md" trapFocus withinPortal>
          <Popover.Target>{button}</Popover.Target>
          <Popover.Dropdown p="sm">
            <Choice onDone={() => setOpened(false)} />
          </Popover.Dropdown>
        </Popover>
      ) : (
        button
      )}
      <ActionIcon size="md" onClick={() => time.zoom(widen(time.window, 2))} aria-label="Show a longer time" title="Show a longer time" className="wide-only">
        <IconZoomOut size={16} />
      </ActionIcon>
      <ActionIcon
        size="md"
        onClick={time.refresh}
        aria-label="Ask again"
        title={time.refreshEvery === "off" ? "Ask again (r)" : `Asks again every ${time.refreshEvery}`}
        data-busy={fetching || undefined}
        className="refresh"
      >
        <IconRefresh size={16} />
      </ActionIcon>
    </Group>
  );
}

/** labelOf says in short what a range is. */
function labelOf(range: TimeRange, now: number): string {
  const preset = presets.find((p) => p.range.from === range.from && p.range.to === range.to);
  if (preset) return preset.label;
  if (isRelative(range.from) && range.to === "now") return `Last ${range.from.replace(/^now-/, "")}`;
  const start = parseInstant(range.from, now);
  const end = parseInstant(range.to, now);
  if (start === undefined || end === undefined || start >= end) return "Last 15 minutes";
  const places = end - start < 10_000 ? 3 : 0;
  return `${near(start, now, places)} + ${duration((end - start) * 1e6)}`;
}

function Choice({ onDone }: { onDone: () => void }) {
  const time = useTime();
  const [draft, setDraft] = useState<TimeRange>(() => ({ from: editable(time.range.from), to: editable(time.range.to) }));
  const wrong = checkRange(draft, Date.now());
  const choose = (range: TimeRange) => {
    time.setRange(range);
    onDone();
  };
  return (
    <div className="range-choice">
      <Stack gap={0}>
        {presets.map((p) => (
          <UnstyledButton key={p.label} className="range-preset" onClick={() => choose(p.range)} data-chosen={p.range.from === time.range.from || undefined}>
            {p.label}
          </UnstyledButton>
        ))}
      </Stack>
      <Divider orientation="vertical" className="wide-only" />
      <form
        onSubmit={(e) => {
          e.preventDefault();
          if (!wrong) choose({ from: stored(draft.from), to: stored(draft.to) });
        }}
      >
        <Stack gap="xs" w={230}>
          <TextInput label="From" value={draft.from} onChange={(e) => setDraft({ ...draft, from: e.currentTarget.value })} />
          <TextInput label="To" value={draft.to} onChange={(e) => setDraft({ ...draft, to: e.currentTarget.value })} />
          <Text size="xs" c={wrong ? "red" : "dimmed"} mih={32}>
            {wrong ?? "now-90m, 2026-11-20 10:00 in your time zone, or with a Z in UTC"}
          </Text>
          <Button type="submit" disabled={wrong !== undefined}>
            Show
          </Button>
          <Select
            label="Ask again by itself"
            data={refreshes.map((r) => ({ value: r, label: r === "off" ? "no" : `every ${r}` }))}
            value={time.refreshEvery}
            onChange={(v) => time.setRefresh((v as (typeof refreshes)[number] | null) ?? "off")}
            allowDeselect={false}
            comboboxProps={{ withinPortal: false }}
          />
        </Stack>
      </form>
    </div>
  );
}

/** editable shows milliseconds as a date that people can change. */
function editable(text: string): string {
  return /^\d{12,14}$/.test(text) ? instant(Number(text), Number(text) % 1000 === 0 ? 0 : 3) : text;
}

/** stored makes a local time independent of the zone of who opens the link. */
function stored(text: string): string {
  if (isRelative(text)) return text.trim().replace(/^-/, "now-");
  return String(parseInstant(text, 0) ?? text);
}
