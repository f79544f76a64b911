import { useCallback, useEffect, useState } from "react";
import { ApiError, call } from "./api";

export interface Answer<T> {
  /** What was last read; null before that. */
  data: T | null;
  /** Why the last attempt failed; with data beside it, that data is stale. */
  error: ApiError | null;
  loading: boolean;
  /** When `data` was read, in UTC. */
  readAt: string | null;
  reload: () => void;
}

const EVERY = 60_000;

/**
 * GET a path, and again every minute while the page is looked at. No path: nothing to read yet.
 * With `keep`, the last path's data stays until the new one's is there, so that a calendar does not blink.
 * With `once` it is read again only when asked for: what takes the server long.
 */
export function useApi<T>(path: string | null, { keep = false, once = false } = {}): Answer<T> {
  const [state, setState] = useState<Omit<Answer<T>, "reload"> & { path: string | null }>({
    path: null,
    data: null,
    error: null,
    loading: true,
    readAt: null,
  });
  const [attempt, setAttempt] = useState(0);
  const reload = useCallback(() => setAttempt((n) => n + 1), []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: an attempt is a reason to read again
  useEffect(() => {
    if (path === null) return;
    const stop = new AbortController();
    setState((was) => (was.path === path ? { ...was, loading: true } : { ...was, loading: true, error: null }));
    call<T>(path, { signal: stop.signal }).then(
      (data) => setState({ path, data, error: null, loading: false, readAt: new Date().toISOString() }),
      (error: unknown) => {
        if (stop.signal.aborted) return;
        const known = error instanceof ApiError ? error : new ApiError(0, "The answer is not understood.");
        setState((was) => {
          const kept = was.path === path;
          const [data, readAt] = kept ? [was.data, was.readAt] : [null, null];
          return { path, data, readAt, error: known, loading: false };
        });
      },
    );
    return () => stop.abort();
  }, [path, attempt]);

  useEffect(() => {
    if (once) return;
    const again = () => document.visibilityState === "visible" && reload();
    const timer = setInterval(again, EVERY);
    document.addEventListener("visibilitychange", again);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", again);
    };
  }, [reload, once]);

  const { path: read, ...answer } = state;
  if (path === null) return { data: null, error: null, loading: false, readAt: null, reload };
  return read === path || keep
    ? { ...answer, reload }
    : { data: null, error: null, loading: true, readAt: null, reload };
}
