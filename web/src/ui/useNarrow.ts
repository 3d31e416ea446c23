import { useMediaQuery } from "@mantine/hooks";

/** useNarrow says that the screen is that of a phone, as the style sheet has it. */
export function useNarrow(): boolean {
  return useMediaQuery("(max-width: 768px)", undefined, { getInitialValueInEffect: false });
}
