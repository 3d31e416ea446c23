import { type ComponentProps, type MouseEvent } from "react";
import { navigate } from "./router";

/**
 * Link is an ordinary link (it opens in a new tab, can be copied, is announced
 * as one) that changes the page without loading it again.
 */
export function Link({ href, replace, onClick, ...rest }: ComponentProps<"a"> & { href: string; replace?: boolean }) {
  return <a href={href} onClick={(e) => follow(e, href, replace, onClick)} {...rest} />;
}

function follow(
  e: MouseEvent<HTMLAnchorElement>,
  href: string,
  replace: boolean | undefined,
  onClick: ComponentProps<"a">["onClick"],
): void {
  onClick?.(e);
  if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
  e.preventDefault();
  navigate(href, replace ? { replace } : {});
}
