import { Page } from "./parts/Page";
import styles from "./styles/main.css?inline";

// Adopted, not inserted: a Content-Security-Policy without inline styles allows it, and there is one file to load.
const sheet = new CSSStyleSheet();
sheet.replaceSync(styles);
document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

/** What Airflow draws in its navigation's page, and on a DAG's tab with that DAG's id. */
export default Page;
