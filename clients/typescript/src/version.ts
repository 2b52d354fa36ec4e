/** Version of this package; the same as that of the server it was made for. */
export const VERSION = "0.1.0";
