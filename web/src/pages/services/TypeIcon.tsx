import { IconDatabase, IconOutside, IconQueue } from "../../ui/icons";
import { typeWord } from "./map";

const icons: Record<string, typeof IconDatabase> = { database: IconDatabase, messaging: IconQueue };

/** TypeIcon stands for what services call that sends no spans itself. */
export function TypeIcon({ type }: { type: string }) {
  const Icon = icons[type] ?? IconOutside;
  return <Icon size={14} title={typeWord(type)} />;
}
