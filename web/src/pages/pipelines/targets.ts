/** The targets that Prometheus receivers scrape, by the series they leave. Pure. */
import { type Problem, type Vector } from "../../api/pipelines";

/** targetsQuery asks for what each scrape says about itself. */
export const targetsQuery = '{__name__=~"up|scrape_samples_scraped|scrape_duration_seconds"}';

/** Target is one thing that is scraped. */
export interface Target {
  key: string;
  job: string;
  instance: string;
  up: boolean;
  samples: number | undefined;
  seconds: number | undefined;
  /** problem is why the last scrape that failed did. */
  problem: Problem | undefined;
}

/** targetsOf puts the series together by job and instance; those that are down come first. */
export function targetsOf(answer: Vector | undefined, problems: readonly Problem[]): Target[] {
  const targets = new Map<string, Target>();
  const result = answer?.result ?? [];
  for (const { metric, value } of result) {
    if (metric["__name__"] !== "up") continue;
    const [job = "", instance = ""] = [metric["job"], metric["instance"]];
    const up = Number(value[1]) === 1;
    const problem = up ? undefined : problems.find((p) => p.detail?.includes(`instance="${instance}"`) && p.detail.includes(`job="${job}"`));
    targets.set(keyOf(metric), { key: keyOf(metric), job, instance, up, samples: undefined, seconds: undefined, problem });
  }
  for (const { metric, value } of result) {
    const target = targets.get(keyOf(metric));
    if (metric["__name__"] === "scrape_samples_scraped" && target) target.samples = Number(value[1]);
    if (metric["__name__"] === "scrape_duration_seconds" && target) target.seconds = Number(value[1]);
  }
  return [...targets.values()].sort((a, b) => Number(a.up) - Number(b.up) || a.job.localeCompare(b.job) || a.instance.localeCompare(b.instance));
}

function keyOf(metric: Record<string, string>): string {
  return JSON.stringify([metric["job"], metric["instance"]]);
}
