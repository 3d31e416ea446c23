import { createTheme, type MantineColorsTuple } from "@mantine/core";

/** signal is the page's own colour: links, what is chosen, what has the focus. */
const signal: MantineColorsTuple = [
  "#e7f5fa", "#d3e8f0", "#a6d0e0", "#75b7d0", "#4ea1c2", "#3593b9", "#1f7ea3", "#176c8d", "#0e5f7e", "#00526f",
];

/** dark are the greys of the dark scheme, a little blue as the panels are. */
const dark: MantineColorsTuple = [
  "#dfe4e8", "#b8c1c9", "#98a3ad", "#6b7681", "#3a424b", "#2b3138", "#20252b", "#1b1f24", "#14171b", "#0f1215",
];

export const theme = createTheme({
  primaryColor: "signal",
  primaryShade: { light: 7, dark: 4 },
  autoContrast: true,
  colors: { signal, dark },
  fontFamily: "var(--font)",
  fontFamilyMonospace: "var(--font-mono)",
  fontSizes: { xs: "0.72rem", sm: "0.82rem", md: "0.9rem", lg: "1rem", xl: "1.2rem" },
  defaultRadius: "sm",
  cursorType: "pointer",
  components: {
    Button: { defaultProps: { size: "xs" } },
    ActionIcon: { defaultProps: { variant: "subtle", color: "gray" } },
    TextInput: { defaultProps: { size: "xs" } },
    Select: { defaultProps: { size: "xs" } },
    SegmentedControl: { defaultProps: { size: "xs" } },
  },
});
