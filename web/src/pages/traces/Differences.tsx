import { Text, UnstyledButton } from "@mantine/core";
import { type Facets } from "../../api/types";
import { add, equal } from "../../condition/edit";
import { percent } from "../../time/format";
import { nameOf, valueOf } from "../../ui/Facets";
import { beginning } from "../../ui/LongText";
import { differences } from "./ranking";

/** Differences says what the selected spans have that the others do not. */
export function Differences({ whole, selection, q, onChange }: { whole: Facets; selection: Facets; q: string; onChange(q: string): void }) {
  const found = differences(whole, selection);
  if (found.length === 0) {
    return (
      <Text size="sm" c="dimmed" p="xs">
        {whole.records <= selection.records ? "Everything is selected: there is no rest to compare with." : "No attribute differs clearly between the selection and the rest."}
      </Text>
    );
  }
  return (
    <div className="differences" role="table" aria-label="What differs">
      <div role="row" className="difference difference-head">
        <span role="columnheader">Attribute</span>
        <span role="columnheader">selected</span>
        <span role="columnheader">others</span>
      </div>
      {found.map((d) => {
        const value = valueOf({ text: d.text, value: d.value, type: d.type });
        return (
          <UnstyledButton
            key={`${d.field} ${d.text}`}
            role="row"
            className="difference"
            onClick={() => onChange(add(q, equal(d.field, d.text)))}
            title={`${d.field} = ${beginning(d.text, 200)}\nClick to add as a condition`}
          >
            <span role="cell" className="ellipsis">
              <span className="soft">{beginning(nameOf(d.field), 60)}</span> <bdi className="difference-value">{value === "" ? "(empty)" : beginning(value, 80)}</bdi>
            </span>
            <Share value={d.selected} className="share-selected" />
            <Share value={d.rest} className="share-rest" />
          </UnstyledButton>
        );
      })}
    </div>
  );
}

function Share({ value, className }: { value: number; className: string }) {
  return (
    <span role="cell" className="share">
      <span className={`share-bar ${className}`} style={{ width: `${Math.max(1, 100 * value)}%` }} aria-hidden />
      <span>{percent(value)}</span>
    </span>
  );
}
