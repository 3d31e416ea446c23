import { Button, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef, useState, type FormEvent } from "react";
import { own, post } from "../../api/request";
import { type Load } from "../../api/load";
import { useKeys } from "../../app/keys";
import { IconError, IconPlay, IconRefresh, IconStop } from "../../ui/icons";
import { messageOf } from "../../ui/states";
import { readForm } from "./figures";

/** Order is one press of a button. */
type Order = { path: "load/start" | "load/stop" | "load/reset"; body?: { users: number; spawnRate: number } };

/** Controls change the users of a load, stop it, start it again and reset what it counted. */
export function Controls({ load, disabled }: { load: Load; disabled: boolean }) {
  const client = useQueryClient();
  const field = useRef<HTMLInputElement>(null);
  // What somebody has written and not sent; undefined: what the load has.
  const [users, setUsers] = useState<string>();
  const [rate, setRate] = useState<string>();
  const [problem, setProblem] = useState<string>();
  const order = useMutation({
    mutationFn: ({ path, body }: Order) => post<Load>(path, body),
    onMutate: () => client.cancelQueries({ queryKey: [own, "load"] }),
    onSuccess: (now, { path }) => {
      client.setQueryData([own, "load", {}], now);
      if (path === "load/start") {
        setUsers(undefined);
        setRate(undefined);
      }
      void client.invalidateQueries({ queryKey: [own, "load/history"] });
    },
  });
  const stopped = load.state === "stopped";
  const shownUsers = users ?? String(load.targetUsers);
  const shownRate = rate ?? String(load.spawnRate);
  const wanted = readForm(shownUsers, shownRate);
  const same = "users" in wanted && wanted.users === load.targetUsers && wanted.spawnRate === load.spawnRate;
  const submit = (e: FormEvent) => {
    e.preventDefault();
    setProblem("problem" in wanted ? wanted.problem : undefined);
    if ("users" in wanted && (stopped || !same)) order.mutate({ path: "load/start", body: wanted });
  };
  useKeys({ u: ["Change the users", () => field.current?.select()] });
  const wrong = problem ?? (order.error ? messageOf(order.error) : undefined);
  return (
    <form className="load-controls" onSubmit={submit} aria-label="Users of the load" noValidate>
      <TextInput
        ref={field} label="Users" w={96} inputMode="numeric" autoComplete="off" value={shownUsers}
        onChange={(e) => setUsers(e.currentTarget.value)} error={problem?.startsWith("Users") || undefined}
      />
      <TextInput
        label="Spawn rate" w={96} inputMode="decimal" autoComplete="off" value={shownRate}
        onChange={(e) => setRate(e.currentTarget.value)} error={problem?.startsWith("Spawn") || undefined}
        rightSection={<span className="load-unit" title="users that come per second">/s</span>}
      />
      <Button type="submit" variant={stopped || !same ? "filled" : "default"} disabled={disabled || (!stopped && same)} leftSection={stopped ? <IconPlay size={14} /> : undefined}>
        {stopped ? "Start" : "Change"}
      </Button>
      <span className="load-others">
        {!stopped && (
          <Button variant="default" leftSection={<IconStop size={14} />} disabled={disabled} onClick={() => order.mutate({ path: "load/stop" })}>
            Stop
          </Button>
        )}
        <Button variant="default" leftSection={<IconRefresh size={14} />} disabled={disabled} title="Forget what was counted until now; the users go on" onClick={() => order.mutate({ path: "load/reset" })}>
          Reset statistics
        </Button>
      </span>
      {wrong && (
        <p className="load-wrong" role="alert">
          <IconError size={14} /> {wrong}
        </p>
      )}
      {stopped && <p className="soft load-note">Start counts anew. What the charts have stays until the statistics are reset.</p>}
      {load.state === "waiting" && (
        <p className="soft load-note">It starts when {load.workersExpected === 1 ? "a worker has" : `${load.workersExpected} workers have`} joined: “signalbox load --worker --join” with the address that the coordinator printed.</p>
      )}
    </form>
  );
}
