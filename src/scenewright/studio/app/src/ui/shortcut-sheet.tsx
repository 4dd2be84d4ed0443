/** All keys on one sheet, and the switch that turns the single ones off. */
import { t, type Key } from "../i18n";
import { singleKeys, useSingleKeys } from "../state/shortcuts";
import { Dialog } from "./dialog";

const GROUPS: { title: Key; keys: [string[], Key][] }[] = [
  {
    title: "keys.everywhere",
    keys: [
      [["1"], "page.make"],
      [["2"], "page.library"],
      [["3"], "page.compare"],
      [["4"], "page.studies"],
      [["5"], "page.machine"],
      [["/"], "keys.search"],
      [["n"], "keys.new"],
      [["t"], "theme"],
      [["?"], "keys.sheet"],
    ],
  },
  {
    title: "page.make",
    keys: [
      [["ctrl", "enter"], "keys.make"],
      [["alt", "↑"], "keys.move-up"],
      [["alt", "↓"], "keys.move-down"],
    ],
  },
  {
    title: "page.compare",
    keys: [
      [["space"], "keys.play"],
      [["←"], "keys.back"],
      [["→"], "keys.forward"],
      [["s"], "compare.side"],
      [["o"], "compare.overlay"],
      [["d"], "compare.difference"],
    ],
  },
  {
    title: "vote",
    keys: [
      [["1", "or", "←"], "keys.left"],
      [["2", "or", "→"], "keys.right"],
      [["0", "or", "t"], "keys.tie"],
      [["space"], "keys.play"],
      [["r"], "keys.again"],
      [["z"], "keys.before"],
      [["alt", "↑"], "keys.rank-up"],
      [["alt", "↓"], "keys.rank-down"],
    ],
  },
];

/** Keys whose names are words. */
const NAMED = new Set(["ctrl", "enter", "alt", "space"]);

export function ShortcutSheet({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={t("keys")} onClose={onClose}>
      <div class="sheet">
        {GROUPS.map((group) => (
          <section key={group.title}>
            <h3>{t(group.title)}</h3>
            <dl>
              {group.keys.map(([keys, does]) => (
                <div key={keys.join("+")}>
                  <dt>
                    {keys.map((key, at) =>
                      key === "or" ? (
                        <span key={key}> {t("key.or")} </span>
                      ) : (
                        <span key={key}>
                          {at && keys[at - 1] !== "or" ? " + " : ""}
                          <kbd>{NAMED.has(key) ? t(`key.${key}` as Key) : key}</kbd>
                        </span>
                      ),
                    )}
                  </dt>
                  <dd>{t(does)}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <label class="check">
        <input type="checkbox" checked={singleKeys.value} onChange={(event) => useSingleKeys(event.currentTarget.checked)} />
        <span>{t("keys.single")}</span>
      </label>
    </Dialog>
  );
}
