/** One page of a list. */
export interface Page<T> {
  items: T[];
  nextPageToken: string;
}

/** Gives the items of a list page by page; a page is asked for when the one before it is used up. */
export async function* pages<T>(fetch: (pageToken: string) => Promise<Page<T>>): AsyncGenerator<T, void> {
  let pageToken = "";
  do {
    const page = await fetch(pageToken);
    yield* page.items;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
}
