/** The few icons of the page, drawn with the text's colour at its size. */
import { type ReactNode } from "react";

function icon(children: ReactNode, viewBox = "0 0 24 24") {
  return function Icon({ size = 16, title }: { size?: number; title?: string }) {
    return (
      <svg
        width={size}
        height={size}
        viewBox={viewBox}
        fill="none"
        stroke="currentColor"
        strokeWidth="1.9"
        strokeLinecap="round"
        strokeLinejoin="round"
        aria-hidden={title ? undefined : true}
        role={title ? "img" : undefined}
        aria-label={title}
        style={{ flex: "none", display: "block" }}
      >
        {children}
      </svg>
    );
  };
}

export const IconTraces = icon(<path d="M3 5h10M7 10h12M7 15h7M11 20h10" />);
export const IconServices = icon(
  <>
    <circle cx="5" cy="12" r="2.6" />
    <circle cx="19" cy="5.5" r="2.6" />
    <circle cx="19" cy="18.5" r="2.6" />
    <path d="m7.4 10.9 9.1-4.2M7.4 13.1l9.1 4.2" />
  </>,
);
export const IconMetrics = icon(<path d="M3 20h18M4 15l5-6 4 4 7-9" />);
export const IconLogs = icon(<path d="M4 5h16M4 10h16M4 15h10M4 20h13" />);
export const IconPipelines = icon(
  <>
    <rect x="2.5" y="9" width="5" height="6" rx="1" />
    <rect x="16.5" y="3.5" width="5" height="6" rx="1" />
    <rect x="16.5" y="14.5" width="5" height="6" rx="1" />
    <path d="M7.5 12h4.5m0-5.5v11m0-11h4.5m-4.5 11h4.5" />
  </>,
);
export const IconInstrumentation = icon(
  <>
    <path d="M12 2.5 20.5 7v10L12 21.5 3.5 17V7Z" />
    <path d="M12 8v8m-4-4h8" />
  </>,
);
export const IconClock = icon(
  <>
    <circle cx="12" cy="12" r="9" />
    <path d="M12 7v5l3.5 2" />
  </>,
);
export const IconRefresh = icon(<path d="M20 11a8 8 0 1 0-2.3 6.3M20 5v6h-6" />);
export const IconSearch = icon(
  <>
    <circle cx="10.5" cy="10.5" r="6.5" />
    <path d="m15.5 15.5 5 5" />
  </>,
);
export const IconSun = icon(
  <>
    <circle cx="12" cy="12" r="4" />
    <path d="M12 2v2m0 16v2M2 12h2m16 0h2M4.9 4.9l1.4 1.4m11.4 11.4 1.4 1.4m0-14.2-1.4 1.4M6.3 17.7l-1.4 1.4" />
  </>,
);
export const IconMoon = icon(<path d="M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5Z" />);
export const IconHelp = icon(
  <>
    <circle cx="12" cy="12" r="9" />
    <path d="M9.4 9.3a2.7 2.7 0 1 1 3.7 2.6c-.7.3-1.1.8-1.1 1.6M12 16.8v.1" />
  </>,
);
export const IconLoad = icon(
  <>
    <circle cx="9" cy="8" r="3.6" />
    <path d="M2.5 20c.4-4 2.9-6 6.5-6s6.1 2 6.5 6M16 4.8a3.6 3.6 0 0 1 0 6.4M18 14.6c2 .8 3.2 2.6 3.5 5.4" />
  </>,
);
export const IconStop = icon(<rect x="6" y="6" width="12" height="12" rx="1.5" />);
export const IconError = icon(
  <>
    <path d="M12 3 2.5 20h19Z" />
    <path d="M12 10v4.5m0 2.6v.1" />
  </>,
);
export const IconClose = icon(<path d="m6 6 12 12M18 6 6 18" />);
export const IconCheck = icon(<path d="m5 12.5 4.5 4.5L19 7.5" />);
export const IconCopy = icon(
  <>
    <rect x="8.5" y="8.5" width="12" height="12" rx="2" />
    <path d="M15.5 4.5a1.5 1.5 0 0 0-1.5-1H5A1.5 1.5 0 0 0 3.5 5v9a1.5 1.5 0 0 0 1 1.5" />
  </>,
);
export const IconChevron = icon(<path d="m9 5 7 7-7 7" />);
export const IconDown = icon(<path d="m5 9 7 7 7-7" />);
export const IconLink = icon(<path d="M10 14a4 4 0 0 0 5.7 0l3.5-3.5a4 4 0 0 0-5.7-5.7L12 6.3M14 10a4 4 0 0 0-5.7 0L4.8 13.5a4 4 0 0 0 5.7 5.7L12 17.7" />);
export const IconDownload = icon(<path d="M12 4v11m-4.5-4.5L12 15l4.5-4.5M4 19.5h16" />);
export const IconPlay = icon(<path d="M7 4.5v15l12-7.5Z" />);
export const IconPause = icon(<path d="M8 5v14M16 5v14" />);
export const IconCompare = icon(<path d="M8 4v16M16 4v16M3 8h5m8 0h5M3 14h5m8 0h5" />);
export const IconFilter = icon(<path d="M3.5 5h17l-6.5 8v6l-4-2v-4Z" />);
export const IconZoomOut = icon(
  <>
    <circle cx="10.5" cy="10.5" r="6.5" />
    <path d="m15.5 15.5 5 5M7.5 10.5h6" />
  </>,
);
export const IconDatabase = icon(
  <>
    <ellipse cx="12" cy="5.5" rx="8" ry="3" />
    <path d="M4 5.5v13c0 1.7 3.6 3 8 3s8-1.3 8-3v-13M4 12c0 1.7 3.6 3 8 3s8-1.3 8-3" />
  </>,
);
export const IconQueue = icon(<path d="M3 6h18v12H3ZM9 6v12M15 6v12" />);
export const IconOutside = icon(<path d="M13 4h7v7M20 4l-9 9M17 14v6H4V7h6" />);
