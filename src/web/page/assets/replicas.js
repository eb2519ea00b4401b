// What a replica is called and looks like, wherever one is shown.

/** The stroke that tells the line of a replica from others without colour. */
export const DASHES = ["", "7 3", "2 3", "9 3 2 3", "1 2", "12 4", "5 2 1 2", "3 1", "8 2 2 2 2 2", "4 4"];

/** The class that gives something the colour of a replica. */
export function tint(replica) {
  return `r${replica % DASHES.length}`;
}

/** The stroke of a replica's lines. */
export function dash(replica) {
  return DASHES[replica % DASHES.length];
}

const SIGNS = { leader: "◆", candidate: "◇", follower: "○", peer: "●" };

/**
 * The sign and word for what a replica does. One that leads a view which others have left leads nobody.
 * @param {string} role
 * @param {boolean} isOutdated
 */
export function roleOf(role, isOutdated) {
  if (isOutdated && role !== "follower") return { sign: "◌", word: "led an older view" };
  return { sign: SIGNS[role] ?? "·", word: role || "?" };
}

/** A replica whose frame is older than this, in milliseconds, is not heard of. */
export const FRESH = 3000;
