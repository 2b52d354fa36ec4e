/** How the page names a queue: a default one by its script type, and one that was created by its name. */
import type { Actor, ScriptType } from "hero-supervisor/web";
import { scriptType, typeOf, typeWord } from "./format";

export type QueueRef = ScriptType | string;

/** The name of a queue. */
export const queueWord = (queue: QueueRef): string => (typeof queue === "string" ? queue : typeWord(queue));
/** The name of a queue as people read it. */
export const queueTitle = (queue: QueueRef): string => (typeof queue === "string" ? queue : scriptType(queue));
/** The field by which a call names a queue. */
export const queueField = (queue: QueueRef): { queue: string } | { scriptType: ScriptType } =>
  typeof queue === "string" ? { queue } : { scriptType: queue };
/** The queue of a name. */
export const queueOf = (word: string): QueueRef => typeOf(word) ?? word;

/** The name of the queue of a job or an actor, which name none for the default queue of their script type. */
export const nameOf = (queue: string | undefined, type: ScriptType): string => queue || (type ? typeWord(type) : "");
/** Whether an actor serves a queue. */
export const isAt = (actor: Actor, queue: QueueRef): boolean =>
  nameOf(actor.config?.queue, actor.config?.scriptType ?? 0) === queueWord(queue);
