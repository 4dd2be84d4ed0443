/** The field that the library is searched with, wherever it is shown. */
import { t } from "../i18n";
import { Icon } from "../ui/icons";
import { findSoon, search } from "./listing";

export function SearchField({ id }: { id?: string }) {
  return (
    <label class="search">
      <Icon name="search" size={18} />
      <span class="sr-only">{t("search")}</span>
      <input
        id={id}
        type="search"
        value={search.value}
        placeholder={t("search.placeholder")}
        onInput={(event) => {
          search.value = event.currentTarget.value;
          findSoon();
        }}
      />
    </label>
  );
}
