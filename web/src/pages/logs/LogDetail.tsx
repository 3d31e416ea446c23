import { Button, Group, UnstyledButton } from "@mantine/core";
import { type Attribute, type Log } from "../../api/types";
import { add, equal, quote, unequal } from "../../condition/edit";
import { instant, msOf, utc } from "../../time/format";
import { beginning, LongText, valueText } from "../../ui/LongText";
import { CopyIcon } from "../../ui/states";
import { Link } from "../../url/Link";
import { hrefOf } from "../../url/router";
import { fieldOf, literalOf, pretty, sameSource } from "./record";

interface Props {
  log: Log;
  q: string;
  onChange(q: string): void;
}

/** LogDetail is all of one record: body, attributes, resource, and where to go from it. */
export function LogDetail({ log, q, onChange }: Props) {
  const body = pretty(log.body);
  const ms = msOf(log.time);
  const source = sameSource(log);
  return (
    <div className="log-detail">
      <Group gap={6}>
        {log.traceId && (
          <Button component={Link} href={hrefOf(`/trace/${log.traceId}`, { span: log.spanId })} variant="light" size="compact-xs">
            Open its trace
          </Button>
        )}
        <Button component={Link} href={hrefOf("/logs", { at: log.time, of: source.q })} variant="default" size="compact-xs">
          Before and after{source.label ? ` in ${beginning(source.label, 40)}` : ""}
        </Button>
        {log.traceId && (
          <Button variant="default" size="compact-xs" onClick={() => onChange(`trace:id = ${log.traceId}`)}>
            Logs of its trace
          </Button>
        )}
        <CopyIcon text={JSON.stringify(log, null, 2)} label="Copy as JSON" />
      </Group>
      <div className="log-body" tabIndex={0} role="group" aria-label="Body">
        <LongText text={body} limit={4000} />
      </div>
      <dl className="log-attributes">
        <dt>time</dt>
        <dd title={utc(ms)}>{instant(ms)}</dd>
        {log.severityText && (
          <>
            <dt>severity</dt>
            <dd>
              <bdi>{beginning(log.severityText, 80)}</bdi> ({log.severity})
            </dd>
          </>
        )}
        {log.eventName && (
          <>
            <dt>event</dt>
            <dd>
              <bdi>{beginning(log.eventName, 200)}</bdi>
            </dd>
          </>
        )}
        {log.scope && (
          <>
            <dt>scope</dt>
            <dd>
              <bdi>{beginning(log.scope, 200)}</bdi>
            </dd>
          </>
        )}
        {log.traceId && (
          <>
            <dt>trace</dt>
            <dd className="mono">{log.traceId}</dd>
          </>
        )}
      </dl>
      <Attributes title="Attributes" place="log" attributes={log.attributes} q={q} onChange={onChange} />
      <Attributes title="Resource" place="resource" attributes={log.resource} q={q} onChange={onChange} />
    </div>
  );
}

function Attributes({ title, place, attributes, q, onChange }: { title: string; place: "log" | "resource"; attributes: Attribute[] | undefined; q: string; onChange(q: string): void }) {
  if (!attributes || attributes.length === 0) return null;
  return (
    <section>
      <h3 className="log-section">{title}</h3>
      <dl className="log-attributes">
        {attributes.map((a, i) => (
          <AttributeRow key={`${a.key} ${i}`} place={place} attribute={a} q={q} onChange={onChange} />
        ))}
      </dl>
    </section>
  );
}

function AttributeRow({ place, attribute: a, q, onChange }: { place: "log" | "resource"; attribute: Attribute; q: string; onChange(q: string): void }) {
  const field = fieldOf(place, a.key);
  const literal = literalOf(a);
  const usable = literal !== undefined && literal.length < 4000;
  return (
    <>
      <dt title={beginning(a.key, 300)}>
        <bdi>{beginning(a.key, 80)}</bdi>
      </dt>
      <dd>
        <LongText text={valueText(a.value)} />
        {usable && (
          <span className="log-filter">
            <UnstyledButton onClick={() => onChange(add(q, equal(field, literal)))} aria-label={`Only ${quote(beginning(a.key, 60))} with this value`} title="Only with this value">
              =
            </UnstyledButton>
            <UnstyledButton onClick={() => onChange(add(q, unequal(field, literal)))} aria-label={`Without ${quote(beginning(a.key, 60))} of this value`} title="Without this value">
              ≠
            </UnstyledButton>
          </span>
        )}
      </dd>
    </>
  );
}
