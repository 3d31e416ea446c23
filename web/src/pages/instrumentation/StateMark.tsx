import { ErrorMark } from "../../ui/ErrorMark";
import { IconCheck, IconClock, IconPause, IconRefresh } from "../../ui/icons";
import { stateText, wrong, type State } from "./workloads";

const icons: Partial<Record<State, typeof IconCheck>> = { Injected: IconCheck, Missed: IconClock, Stale: IconRefresh };

/** StateMark is a state by form, word and colour. */
export function StateMark({ state }: { state: State }) {
  const Icon = icons[state] ?? IconPause;
  return (
    <span className="injected-state" data-state={state} title={stateText[state]}>
      {wrong(state) ? <ErrorMark size={13} title="act" /> : <Icon size={13} />}
      {state.toLowerCase()}
    </span>
  );
}
