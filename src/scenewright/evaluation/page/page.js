// Clips play while they can be seen, unless the reader asked for less motion.
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) target.play().catch(() => {});
    else target.pause();
  }
}, { threshold: 0.4 });
if (!calm) document.querySelectorAll("video").forEach((video) => watcher.observe(video));
