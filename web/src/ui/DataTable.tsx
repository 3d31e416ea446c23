import { UnstyledButton } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, type ReactNode } from "react";
import { useKeys } from "../app/keys";
import { Link } from "../url/Link";
import { navigate } from "../url/router";
import { useRows } from "./useRows";

/** Column is one column of a DataTable. */
export interface Column<R> {
  id: string;
  title: string;
  /** width is a CSS grid track, as "90px" or "minmax(120px, 1fr)". */
  width: string;
  align?: "right";
  /** wide hides the column on narrow screens. */
  wide?: boolean;
  /** sort makes the title a button. */
  sort?: boolean;
  cell(row: R): ReactNode;
}

interface Props<R> {
  label: string;
  columns: Column<R>[];
  rows: R[];
  rowKey(row: R): string;
  /** href makes rows links. */
  href?(row: R): string;
  /** height of the scrolling part; rows out of sight are not drawn. */
  height?: number | string;
  rowHeight?: number;
  sorted?: { id: string; descending: boolean };
  onSort?(id: string): void;
  /** onActive is told which row the keyboard or the pointer is at; -1: none. */
  onActive?(index: number): void;
}

/**
 * DataTable is a list of any length: only the rows in sight exist. j and k move,
 * Enter opens; arrows do the same among the rows. Rows are links, so that they
 * open in new tabs too.
 */
export function DataTable<R>(props: Props<R>) {
  const { columns, rows, rowHeight = 34, href } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 12,
  });
  const keyed = useRows(rows.length, scroller, virtual, props.onActive);
  const { active, move } = keyed;
  useKeys({
    j: ["Next row", () => move(active + 1)],
    k: ["Previous row", () => move(active - 1)],
    Enter: ["Open the row", () => {
      const row = rows[active];
      if (row !== undefined && href) navigate(href(row));
    }],
  });
  useEffect(() => virtual.measure(), [rowHeight]);
  const tracks = {
    "--tracks": columns.map((c) => c.width).join(" "),
    "--tracks-narrow": columns.filter((c) => !c.wide).map((c) => c.width).join(" "),
  } as React.CSSProperties;
  return (
    <div role="table" aria-label={props.label} aria-rowcount={rows.length + 1} className="table" style={tracks}>
      <div role="rowgroup">
        <div role="row" className="table-head">
          {columns.map((c) => (
            <Head key={c.id} column={c} sorted={props.sorted} onSort={props.onSort} />
          ))}
        </div>
      </div>
      <div role="rowgroup" ref={scroller} className="table-body" style={{ maxHeight: props.height ?? 480 }} tabIndex={href ? -1 : 0} onFocus={keyed.onFocus} onKeyDown={keyed.onKeyDown}>
        <div role="presentation" style={{ height: virtual.getTotalSize(), position: "relative" }}>
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index];
            if (row === undefined) return null;
            const place = { height: rowHeight, transform: `translateY(${item.start}px)` };
            const cells = columns.map((c) => (
              <span key={c.id} role="cell" className="table-cell" data-align={c.align} data-wide={c.wide}>
                {c.cell(row)}
              </span>
            ));
            const shared = {
              role: "row",
              "aria-rowindex": item.index + 2,
              className: "table-row",
              "data-active": item.index === active || undefined,
              style: place,
              onPointerEnter: () => props.onActive?.(item.index),
              onPointerLeave: () => props.onActive?.(-1),
            };
            return href ? (
              <Link key={props.rowKey(row)} href={href(row)} data-index={item.index} tabIndex={keyed.tabIndex(item.index)} {...shared}>
                {cells}
              </Link>
            ) : (
              <div key={props.rowKey(row)} {...shared}>
                {cells}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

function Head<R>({ column: c, sorted, onSort }: { column: Column<R>; sorted?: Props<R>["sorted"]; onSort?: Props<R>["onSort"] }) {
  const here = sorted?.id === c.id;
  const order = !here ? undefined : sorted.descending ? "descending" : "ascending";
  return (
    <span role="columnheader" className="table-cell" data-align={c.align} data-wide={c.wide} aria-sort={order}>
      {c.sort && onSort ? (
        <UnstyledButton className="table-sort" onClick={() => onSort(c.id)}>
          {c.title}
          {here ? (sorted.descending ? " ↓" : " ↑") : ""}
        </UnstyledButton>
      ) : (
        c.title
      )}
    </span>
  );
}
