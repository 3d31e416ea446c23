import { CloseButton, Combobox, Group, Pill, Text, TextInput, useCombobox } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { useApi } from "../api/client";
import { type FieldInfo, type Value } from "../api/types";
import { useTime } from "../time/TimeContext";
import { short } from "../time/format";
import { IconSearch } from "../ui/icons";
import { beginning } from "../ui/LongText";
import { useAfterPaint } from "../ui/useAfterPaint";
import { operatorsFor, placeAt, replace, words, type Place } from "./completion";
import { add, join, split } from "./edit";

interface Props {
  kind: "spans" | "logs";
  value: string;
  onChange(q: string): void;
  /** error is what the server says is wrong with the condition. */
  error?: string | undefined;
  placeholder?: string;
}

/**
 * ConditionInput is the one field in which conditions are written: finished ones
 * are chips that can be edited and removed, the one being typed gets completion
 * of names, operators and values that exist in the time range. Plain words search
 * in text.
 */
export function ConditionInput({ kind, value, onChange, error, placeholder }: Props) {
  const [draft, setDraft] = useState("");
  const [cursor, setCursor] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  const combobox = useCombobox({ onDropdownClose: () => combobox.resetSelectedOption() });
  const place = placeAt(draft, cursor);
  const { options, busy } = useOptions(kind, place, combobox.dropdownOpened);
  const parts = split(value);

  // A field without completion is drawn sooner. Who is in it already stays there.
  const painted = useAfterPaint(true);
  const inside = useRef(false);
  useLayoutEffect(() => {
    if (painted && inside.current) input.current?.focus();
  }, [painted]);

  const moved = useRef<number | undefined>(undefined);
  useEffect(() => {
    if (moved.current === undefined || !input.current) return;
    input.current.setSelectionRange(moved.current, moved.current);
    moved.current = undefined;
  }, [draft]);

  const submit = () => {
    const text = draft.trim();
    if (text === "") return;
    onChange(parts.length === 0 ? text : add(value, text));
    setDraft("");
    setCursor(0);
    combobox.closeDropdown();
  };
  const choose = (choice: string) => {
    const next = replace(draft, place, choice);
    if (place.kind === "value" && next.cursor === next.text.length) {
      onChange(parts.length === 0 ? next.text.trim() : add(value, next.text));
      setDraft("");
      setCursor(0);
      combobox.resetSelectedOption();
      return;
    }
    moved.current = next.cursor;
    setDraft(next.text);
    setCursor(next.cursor);
    combobox.resetSelectedOption();
    input.current?.focus();
  };
  const edit = (part: string) => {
    onChange(join(parts.filter((p) => p !== part)));
    setDraft(part);
    setCursor(part.length);
    moved.current = part.length;
    input.current?.focus();
  };

  const field = (
    <TextInput
      ref={input}
      data-search
      size="sm"
      aria-label="Condition"
      placeholder={parts.length > 0 ? "and …" : (placeholder ?? "status = error, duration > 200ms, or plain words")}
      leftSection={<IconSearch size={15} />}
      rightSection={
        parts.length > 0 || draft !== "" ? (
          <CloseButton
            size="sm"
            aria-label="Remove all conditions"
            onClick={() => {
              setDraft("");
              onChange("");
            }}
          />
        ) : (
          <Text size="xs" c="dimmed" className="wide-only">
            /
          </Text>
        )
      }
      value={draft}
      spellCheck={false}
      autoCapitalize="off"
      autoComplete="off"
      onChange={(e) => {
        setDraft(e.currentTarget.value);
        setCursor(e.currentTarget.selectionStart ?? e.currentTarget.value.length);
        combobox.openDropdown();
        combobox.resetSelectedOption();
      }}
      onSelect={(e) => setCursor(e.currentTarget.selectionStart ?? 0)}
      onFocus={() => {
        inside.current = true;
        combobox.openDropdown();
      }}
      onClick={() => combobox.openDropdown()}
      onBlur={() => {
        inside.current = false;
        combobox.closeDropdown();
        submit();
      }}
      onKeyDown={(e) => {
        if (e.key === "Enter" && combobox.getSelectedOptionIndex() < 0) {
          e.preventDefault();
          submit();
        }
        if (e.key === "Tab" && !e.shiftKey && combobox.dropdownOpened && draft !== "" && options[0]) {
          e.preventDefault();
          choose(options[Math.max(0, combobox.getSelectedOptionIndex())]?.text ?? options[0].text);
        }
        if (e.key === "Escape") {
          if (!combobox.dropdownOpened) e.currentTarget.blur();
          combobox.closeDropdown();
        }
        if (e.key === "Backspace" && draft === "" && parts.length > 0) {
          e.preventDefault();
          edit(parts.at(-1)!);
        }
      }}
      error={error}
    />
  );
  return (
    <div className="condition">
      {painted ? (
        <Combobox store={combobox} onOptionSubmit={choose} withinPortal position="bottom-start" width="min(520px, 94vw)" shadow="md">
          <Combobox.Target>{field}</Combobox.Target>
          <Combobox.Dropdown hidden={options.length === 0 && !busy}>
            <Combobox.Options mah={320} style={{ overflowY: "auto" }}>
              {options.map((o) => (
                <Combobox.Option key={o.text} value={o.text}>
                  <Group gap="xs" wrap="nowrap" justify="space-between">
                    <span className="mono ellipsis">
                      <bdi>{beginning(o.text, 120)}</bdi>
                    </span>
                    <Text span size="xs" c="dimmed" style={{ whiteSpace: "nowrap" }}>
                      {o.note}
                    </Text>
                  </Group>
                </Combobox.Option>
              ))}
              {options.length === 0 && <Combobox.Empty>Looking …</Combobox.Empty>}
            </Combobox.Options>
          </Combobox.Dropdown>
        </Combobox>
      ) : (
        field
      )}
      {parts.length > 0 && (
        <Group gap={6} role="list" aria-label="Conditions">
          {parts.map((part) => (
            <Pill
              key={part}
              role="listitem"
              size="sm"
              withRemoveButton
              removeButtonProps={{ "aria-label": `Remove ${part}`, "aria-hidden": false, tabIndex: 0 }}
              onRemove={() => onChange(join(parts.filter((p) => p !== part)))}
              className="chip"
            >
              <button type="button" className="chip-text mono" title={`${beginning(part, 500)}\nClick to edit`} onClick={() => edit(part)}>
                <bdi>{beginning(part, 90)}</bdi>
              </button>
            </Pill>
          ))}
        </Group>
      )}
    </div>
  );
}

interface Option {
  text: string;
  note: string;
}

/** useOptions asks what could be typed, once typing pauses. */
function useOptions(kind: Props["kind"], place: Place, opened: boolean): { options: Option[]; busy: boolean } {
  const { api } = useTime();
  const [typed] = useDebouncedValue(place.kind === "operator" ? "" : place.prefix, 120);
  const field = place.kind === "field" ? undefined : place.field;
  const known = field === undefined ? undefined : words[field.replace(/^(span|log):/, "")];
  const fields = useApi<{ fields: FieldInfo[] }>({
    path: opened && place.kind !== "value" ? "fields" : undefined,
    params: { kind, ...api, match: place.kind === "field" ? typed : lastName(field ?? ""), limit: 50 },
  });
  const values = useApi<{ values: Value[] }>({
    path: opened && place.kind === "value" && !known ? "fields/values" : undefined,
    params: { kind, ...api, field, match: typed, limit: 50 },
    keep: false,
  });
  if (place.kind === "field") {
    const all = (fields.data?.fields ?? []).map((f) => ({
      text: f.name,
      note: f.count ? `${f.type}, ${short(f.count)}` : f.type,
    }));
    return { options: place.prefix === "" ? all : all.filter((o) => o.text.toLowerCase().includes(place.prefix.toLowerCase())), busy: fields.isFetching };
  }
  if (place.kind === "operator") {
    const type = fields.data?.fields.find((f) => f.name === field || f.key === field)?.type;
    return { options: operatorsFor(type).map((o) => ({ text: o.text, note: o.meaning })), busy: false };
  }
  if (known) {
    return { options: known.filter((w) => w.startsWith(place.prefix)).map((w) => ({ text: w, note: "" })), busy: false };
  }
  return {
    options: (values.data?.values ?? []).map((v) => ({ text: v.text, note: v.count ? short(v.count) : "" })),
    busy: values.isFetching,
  };
}

/** lastName is what the list of fields can be searched for, of a name with its place. */
function lastName(field: string): string {
  return field.replace(/^(span|log|resource|instrumentation|event|link)?[.:]/, "").replace(/^"|"$/g, "");
}
