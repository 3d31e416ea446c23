import { ActionIcon, Kbd, Modal, Table, Text, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { Component, Suspense, useEffect, useRef, useState, type ReactNode } from "react";
import { find, has, home, pages } from "../pages";
import { RangePicker } from "../time/RangePicker";
import { useTime } from "../time/TimeContext";
import { IconHelp, IconMoon, IconSun } from "../ui/icons";
import { EmptyNote, ErrorNote, Loading } from "../ui/states";
import { useNarrow } from "../ui/useNarrow";
import { Link } from "../url/Link";
import { hrefOf, navigate, useLocation } from "../url/router";
import { listKeys, useKeys, type Keys } from "./keys";

/** Shell is what is around every page: navigation, time range, theme, help. */
export function Shell() {
  const { path } = useLocation();
  const time = useTime();
  const narrow = useNarrow();
  const [help, setHelp] = useState(false);
  const helped = useRef(false); // most readers never ask for it
  helped.current ||= help;
  const found = find(path);
  useEffect(() => {
    document.title = found ? `${found.page.title} · Signalbox` : "Signalbox";
  }, [found?.page]);

  // Once this page is shown, the others' scripts come while nothing else happens.
  useEffect(() => {
    const timer = setTimeout(() => pages.forEach((p) => has(p.part) && void p.load().catch(() => undefined)), 1500);
    return () => clearTimeout(timer);
  }, []);

  const keys: Keys = {
    "?": ["This help", () => setHelp(true)],
    r: ["Ask again", time.refresh],
    "/": ["Write a condition", () => document.querySelector<HTMLElement>("[data-search]")?.focus()],
  };
  for (const p of pages) {
    if (p.nav && has(p.part)) keys[`g ${p.nav.key}`] = [p.title, () => navigate(hrefOf(p.path))];
  }
  useKeys(keys);

  const Body = found?.page.component;
  return (
    <div className="shell">
      <a href="#main" className="skip">
        Skip to the content
      </a>
      <header className="shell-head">
        <Link href={hrefOf("/")} className="brand" aria-label={`Signalbox, to the ${home.title.toLowerCase()}`}>
          <Logo />
          <span className="brand-name">Signalbox</span>
        </Link>
        <nav className="nav" aria-label="Pages">
          {pages.map(
            (p) =>
              p.nav &&
              has(p.part) && (
                <Link
                  key={p.path}
                  href={hrefOf(p.path)}
                  className="nav-link"
                  aria-current={found?.page === p || path.startsWith(p.path === "/traces" ? "/trace/" : `${p.path}/`) ? "page" : undefined}
                  title={`${p.title} (g ${p.nav.key})`}
                >
                  <p.nav.icon size={16} />
                  <span>{(narrow && p.nav.short) || p.title}</span>
                </Link>
              ),
          )}
        </nav>
        <div className="shell-tools">
          {!found?.page.timeless && <RangePicker />}
          <ThemeButton />
          <ActionIcon size="md" onClick={() => setHelp(true)} aria-label="Keys" title="Keys (?)" className="wide-only">
            <IconHelp size={18} />
          </ActionIcon>
        </div>
      </header>
      <main id="main" className="shell-main" tabIndex={-1}>
        <Boundary key={path}>
          <Suspense fallback={<Loading rows={8} />}>
            {found && Body ? (
              <Body rest={found.rest} />
            ) : (
              <EmptyNote title="There is no such page">
                <Link href={hrefOf("/")}>To the {home.title.toLowerCase()}</Link>
              </EmptyNote>
            )}
          </Suspense>
        </Boundary>
      </main>
      {helped.current && <Help opened={help} onClose={() => setHelp(false)} />}
    </div>
  );
}

function Logo() {
  return (
    <svg width="22" height="22" viewBox="0 0 32 32" aria-hidden>
      <rect x="3" y="3" width="26" height="26" rx="7" fill="#1f6f8b" />
      <circle cx="11" cy="16" r="4" fill="#ffd166" />
      <path d="M18 11h7M18 16h5M18 21h7" stroke="#fff" strokeWidth="2.6" strokeLinecap="round" />
    </svg>
  );
}

function ThemeButton() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("light", { getInitialValueInEffect: false });
  const other = scheme === "dark" ? "light" : "dark";
  return (
    <ActionIcon size="md" onClick={() => setColorScheme(other)} aria-label={`Change to ${other}`} title={`Change to ${other}`}>
      {scheme === "dark" ? <IconSun size={18} /> : <IconMoon size={18} />}
    </ActionIcon>
  );
}

function Help({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  return (
    <Modal opened={opened} onClose={onClose} title="Keys" size="sm">
      <Table verticalSpacing={4}>
        <Table.Tbody>
          {(opened ? listKeys() : []).map(({ key, description }) => (
            <Table.Tr key={key}>
              <Table.Td w={110}>
                {key.split(" ").map((k, i) => (
                  <Kbd key={i} mr={4}>
                    {k}
                  </Kbd>
                ))}
              </Table.Td>
              <Table.Td>{description}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <Text size="xs" c="dimmed" mt="sm">
        Every view is its address: copy it from the address bar to share what you see.
      </Text>
    </Modal>
  );
}

/** Boundary keeps a defect of one page from taking the others with it. */
class Boundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state = { error: undefined as unknown };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    if (this.state.error === undefined) return this.props.children;
    return <ErrorNote error={this.state.error} what="The page" onRetry={() => this.setState({ error: undefined })} />;
  }
}
