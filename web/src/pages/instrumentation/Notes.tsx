/** What the page shows when there is nothing, or not everything, to show. */
import { Alert, Text } from "@mantine/core";
import { plural } from "../../time/format";
import { IconError } from "../../ui/icons";
import { LongText } from "../../ui/LongText";
import { CopyLine, EmptyNote } from "../../ui/states";

/** NoOperator says that this Signalbox asks none, and how to have one. */
export function NoOperator() {
  return (
    <section className="panel">
      <div className="panel-head">
        <h1 className="panel-title">Instrumentation</h1>
      </div>
      <EmptyNote title="This Signalbox asks no operator">
        <div className="injected-commands">
          <p>In a Kubernetes cluster, the operator adds OpenTelemetry to programs that have none, and this page shows where it did and where not. This installs operator, store and page:</p>
          <CopyLine text="signalbox install --apply" label="the command that installs Signalbox in a cluster" />
          <p>Without a page, the same is told by</p>
          <CopyLine text="signalbox explain --all-namespaces" label="the command that explains" />
          <p>and a Signalbox elsewhere asks an operator that is named to it:</p>
          <CopyLine text="signalbox up --operator http://localhost:8082 --operator-token FILE" label="the command that asks an operator" />
        </div>
      </EmptyNote>
    </section>
  );
}

/** NothingAsked says how a workload asks. */
export function NothingAsked() {
  return (
    <EmptyNote title="No workload asks for anything">
      <div className="injected-commands">
        <p>An Instrumentation says where programs send to, and an annotation asks for the agent of a language:</p>
        <CopyLine
          label="an Instrumentation"
          text={`kubectl apply -n NAMESPACE -f - <<'EOF'\napiVersion: opentelemetry.io/v1alpha1\nkind: Instrumentation\nmetadata: {name: default}\nspec:\n  exporter: {endpoint: "http://otel-collector.opentelemetry-operator-system:4318"}\nEOF`}
        />
        <CopyLine
          label="the annotation"
          text={`kubectl patch -n NAMESPACE deployment/NAME --type merge -p '{"spec":{"template":{"metadata":{"annotations":{"instrumentation.opentelemetry.io/inject-python":"true"}}}}}'`}
        />
      </div>
    </EmptyNote>
  );
}

/** Partial says what the operator could not find out. */
export function Partial({ problems }: { problems: string[] }) {
  if (problems.length === 0) return null;
  return (
    <Alert color="yellow" variant="light" m="xs" py={6} px="sm" icon={<IconError />} role="status">
      <Text size="sm">This is not everything: {plural(problems.length, "thing")} could not be found out.</Text>
      <LongText text={problems.join("\n")} limit={500} />
    </Alert>
  );
}
