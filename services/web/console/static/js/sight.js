// Whether an element is in sight.

import { useEffect, useRef, useState } from "../vendor/preact-hooks.js";

/** @type {Map<Element, (seen: boolean) => void>} */
const watched = new Map();
const observer = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) watched.get(entry.target)?.(entry.isIntersecting);
  },
  { rootMargin: "80px" },
);

/** A reference for an element, and whether it is in sight. */
export function useSight() {
  const place = useRef(/** @type {Element | null} */ (null));
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    watched.set(element, setSeen);
    observer.observe(element);
    return () => {
      observer.unobserve(element);
      watched.delete(element);
    };
  }, []);
  return /** @type {const} */ ([place, seen]);
}
