import { colorOf } from "./colors";

/** ServiceName is a service with its colour. */
export function ServiceName({ name, strong }: { name: string; strong?: boolean }) {
  return (
    <span className="service">
      <span className="service-dot" style={{ background: colorOf(name) }} aria-hidden />
      <bdi className="ellipsis" style={strong ? { fontWeight: 600 } : undefined} title={name}>
        {name || "(no name)"}
      </bdi>
    </span>
  );
}
