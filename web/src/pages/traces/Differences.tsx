import { Text, UnstyledButton } from "@mantine/core";
import { add, equal } from "../../condition/edit";
import { count, percent } from "../../time/format";
import { nameOf, valueOf } from "../../ui/Facets";
import { beginning } from "../../ui/LongText";
import { ErrorNote, Loading, PartialNote } from "../../ui/states";
import { type Params } from "../../api/request";
import { differences } from "./ranking";
import { useComparison } from "./useComparison";

/** Differences says what the selected spans have that the others do not. */
export function Differences({ all, selected, q, onChange }: { all: Params; selected: Params; q: string; onChange(q: string): void }) {
  const { comparison, error } = useComparison(all, selected);
  if (!comparison) return error ? <ErrorNote error={error} what="What differs" /> : <Loading rows={3} height={16} />;
  const { whole, selection, compared, known } = comparison;
  const found = differences(whole, selection);
  const bounded = compared < known && (
    <p className="soft list-end">
      Compared by the {count(compared)} attributes in use most, of {count(known)}.
    </p>
  );
  if (found.length === 0) {
    return (
      <>
        <Text size="sm" c="dimmed" p="xs">
          {whole.records <= selection.records ? "Everything is selected: there is no rest to compare with." : "No attribute differs clearly between the selection and the rest."}
        </Text>
        {bounded}
      </>
    );
  }
  return (
    <>
      <PartialNote report={whole.report.partial ? whole.report : selection.report} />
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
              <span role="cell" className="difference-what">
                <bdi className="soft ellipsis">{beginning(nameOf(d.field), 60)}</bdi>
                <bdi className="difference-value ellipsis">{value === "" ? "(empty)" : beginning(value, 80)}</bdi>
              </span>
              <Share value={d.selected} className="share-selected" />
              <Share value={d.rest} className="share-rest" />
            </UnstyledButton>
          );
        })}
      </div>
      {bounded}
    </>
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
