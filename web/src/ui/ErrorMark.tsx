import { errorColor } from "./colors";
import { IconError } from "./icons";

/** ErrorMark says that something failed, by form and by colour. */
export function ErrorMark({ size = 14, title = "error" }: { size?: number; title?: string }) {
  return (
    <span style={{ color: errorColor, display: "inline-flex" }} title={title}>
      <IconError size={size} title={title} />
    </span>
  );
}
