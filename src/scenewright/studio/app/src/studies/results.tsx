/** What a study has found: standings with intervals, what is not settled, how far raters agree. */
import type { ComponentChildren } from "preact";
import type { Found, Interval, Pair, Results, Study } from "../api/study-types";
import { duration, fixed, number, t, tn, type Key } from "../i18n";
import { Icon } from "../ui/icons";
import { IntervalChart, intervalWords } from "./chart";

const percent = (share: number) => `${number(Math.round(100 * share))} %`;
const score = (value: number) => fixed(value);
const signed = (value: number) => fixed(value, true);

function Table({ caption, head, rows }: { caption: string; head: string[]; rows: [string, ...ComponentChildren[]][] }) {
  return (
    <div class="table-scroll" tabIndex={0} role="group" aria-label={caption}>
      <table class="results-table">
        <caption class="sr-only">{caption}</caption>
        <thead>
          <tr>
            {head.map((one) => (
              <th key={one} scope="col">
                {one}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, ...cells]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {cells.map((cell, at) => (
                <td key={at}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A share or a strength with its interval in a smaller line. */
function Cell({ interval, say }: { interval: Interval | undefined; say: (value: number) => string }) {
  if (!interval) return <>–</>;
  const { value, low, high } = interval;
  return (
    <>
      <strong>{say(value)}</strong>
      {low !== null && high !== null ? <span class="cell-interval">{t("interval.range", { low: say(low), high: say(high) })}</span> : null}
    </>
  );
}

function Verdict({ settled, children }: { settled: boolean; children: ComponentChildren }) {
  return (
    <p class={`verdict ${settled ? "is-good" : "is-open"}`}>
      <Icon name={settled ? "check" : "help"} size={18} />
      <span>{children}</span>
    </p>
  );
}

function Standings({ found }: { found: Found }) {
  const { ranking, strengths = {}, win_rates = {}, unsettled = [] } = found;
  if (!ranking) return found.reason ? <p class="quiet">{found.reason}</p> : null;
  const rows = ranking.flatMap((name): [string, Interval][] => (strengths[name] ? [[name, strengths[name]]] : []));
  return (
    <>
      {unsettled.length ? (
        <Verdict settled={false}>
          {unsettled.map(([a, b]) => (
            <span key={`${a} ${b}`} class="verdict-line">
              {t("results.unsettled", { a, b })}{" "}
            </span>
          ))}
        </Verdict>
      ) : (
        <Verdict settled>{t("results.settled", { name: ranking[0] ?? "" })}</Verdict>
      )}
      <IntervalChart
        label={t("results.strength")}
        rows={rows}
        say={signed}
        middle={{ value: 0, label: t("results.average") }}
        ways={[t("results.weaker"), t("results.stronger")]}
      />
      <Table
        caption={t("results.standings")}
        head={[t("results.system"), t("results.place"), t("results.strength"), t("results.wins")]}
        rows={ranking.map((name, at) => [
          name,
          String(at + 1),
          <Cell interval={strengths[name]} say={signed} />,
          <Cell interval={win_rates[name]} say={percent} />,
        ])}
      />
      <p class="hint">{t("results.strength.hint")}</p>
    </>
  );
}

function PairRow({ pair }: { pair: Pair }) {
  const [a, b] = pair.systems;
  const [wins, losses, ties] = pair.votes;
  const all = wins + losses + ties;
  return (
    <li class="pair-row">
      <p class="pair-names">
        <span>
          {a} <strong>{number(wins)}</strong>
        </span>
        {ties ? <span class="quiet">{tn("results.ties", ties)}</span> : null}
        <span>
          <strong>{number(losses)}</strong> {b}
        </span>
      </p>
      <span class="pair-bar" aria-hidden="true">
        {all ? (
          <>
            <span class="is-first" style={{ flexGrow: wins }} />
            <span class="is-tie" style={{ flexGrow: ties }} />
            <span class="is-second" style={{ flexGrow: losses }} />
          </>
        ) : null}
      </span>
      <p class="quiet">
        {!all
          ? t("results.pair.none")
          : pair.decided
            ? t("results.pair.decided")
            : pair.missing === null
              ? t("results.pair.even")
              : tn("results.pair.needed", pair.missing)}
      </p>
    </li>
  );
}

interface MeansProps {
  label: string;
  values: Record<string, Interval>;
  ends: [number, number];
  say: (value: number) => string;
}

function Means({ label, values, ends, say }: MeansProps) {
  const rows = Object.entries(values).sort(([, a], [, b]) => b.value - a.value);
  return (
    <>
      <IntervalChart label={label} rows={rows} ends={ends} say={say} />
      <Table
        caption={label}
        head={[t("results.system"), label, t("results.answers")]}
        rows={rows.map(([name, one]) => [name, <Cell interval={one} say={say} />, number(one.n)])}
      />
    </>
  );
}

function Labels({ found }: { found: Found }) {
  const { labels, texts, skills } = found;
  return (
    <>
      {labels?.length ? (
        <details class="more">
          <summary>{t("results.labels")}</summary>
          <Table
            caption={t("results.labels")}
            head={[t("prompt"), t("results.system"), t("answer")]}
            rows={labels.map(({ prompt, system, label }) => [prompt, system, label])}
          />
        </details>
      ) : null}
      {texts?.length ? (
        <ul class="texts">
          {texts.map(({ prompt, system, rater, answer }, at) => (
            <li key={at}>
              <p>{answer}</p>
              <p class="quiet">{[prompt, system, rater].join(" · ")}</p>
            </li>
          ))}
        </ul>
      ) : null}
      {skills && Object.keys(skills).length > 1 ? (
        <details class="more">
          <summary>{t("results.skills")}</summary>
          <p class="hint">{t("results.skills.hint")}</p>
          <Table
            caption={t("results.skills")}
            head={[t("results.rater"), t("results.skill")]}
            rows={Object.entries(skills).map(([rater, skill]) => [rater, percent(skill)])}
          />
        </details>
      ) : null}
    </>
  );
}

/** Krippendorff's bounds: from 0.8 on reliable, from 0.667 on for tentative conclusions. */
function agreementKey(alpha: number): Key {
  if (alpha >= 0.8) return "agreement.good";
  if (alpha >= 0.667) return "agreement.fair";
  return alpha > 0.2 ? "agreement.weak" : "agreement.none";
}

function Agreement({ found }: { found: Found }) {
  const { alpha, left } = found;
  const leaning = left && left.low !== null && left.high !== null && (left.low > 0 || left.high < 0);
  return (
    <ul class="remarks">
      {alpha === undefined ? null : (
        <li>
          {alpha === null ? (
            t("agreement.unknown")
          ) : (
            <>
              {t(agreementKey(alpha.value))} <span class="quiet">{t("agreement.alpha", { alpha: intervalWords(alpha, score) })}</span>
            </>
          )}
        </li>
      )}
      {leaning ? <li>{t(left.value > 0 ? "results.leans-left" : "results.leans-right")}</li> : null}
    </ul>
  );
}

function QuestionResults({ found, scale, several }: { found: Found; scale: number; several: boolean }) {
  return (
    <section class="result">
      <header class="section-head">
        <h3>{found.text}</h3>
        {several ? <span class="quiet">{tn("answers.count", found.answers)}</span> : null}
      </header>
      {found.answers === 0 ? (
        <p class="quiet">{t("results.none")}</p>
      ) : (
        <>
          {found.kind === "compare" || found.kind === "rank" ? <Standings found={found} /> : null}
          {found.means && Object.keys(found.means).length ? (
            <Means label={t("results.mean")} values={found.means} ends={[1, scale]} say={score} />
          ) : null}
          {found.accuracy && Object.keys(found.accuracy).length ? (
            <Means label={t("results.accuracy")} values={found.accuracy} ends={[0, 1]} say={percent} />
          ) : null}
          <Labels found={found} />
          {found.pairs?.length ? (
            <>
              <h4>{t("results.pairs")}</h4>
              <ul class="pairs">
                {found.pairs.map((pair) => (
                  <PairRow key={pair.systems.join(" ")} pair={pair} />
                ))}
              </ul>
            </>
          ) : null}
          <Agreement found={found} />
        </>
      )}
    </section>
  );
}

/** In plain words: how many answers there are, and how many are still wanted. */
function Wanted({ results }: { results: Results }) {
  const { answers, wanted, raters } = results;
  const missing = wanted === null ? null : Math.max(0, wanted - answers);
  const many = t("results.heard", { answers: tn("answers.count", answers), raters: tn("raters.count", raters) });
  return (
    <p class="results-sum">
      <strong>{many}</strong>{" "}
      {missing === null ? null : missing ? tn("results.missing", missing) : t("results.complete")}
    </p>
  );
}

export function ResultsView({ study, results }: { study: Study; results: Results }) {
  const { left_out, engagement } = results;
  return (
    <div class="results">
      <Wanted results={results} />
      {results.wanted ? (
        <progress max={results.wanted} value={Math.min(results.wanted, results.answers)} aria-label={t("results.far")} />
      ) : null}
      {results.questions.map((found, at) => (
        <QuestionResults key={at} found={found} scale={study.questions[at]?.scale ?? 5} several={results.questions.length > 1} />
      ))}
      {left_out.length || engagement.seconds !== null ? (
        <ul class="remarks">
          {engagement.seconds !== null ? <li>{t("results.engagement", { time: duration(engagement.seconds) })}</li> : null}
          {left_out.length ? <li>{tn("results.left-out", left_out.length, { names: left_out.join(", ") })}</li> : null}
        </ul>
      ) : null}
    </div>
  );
}
