// Puts the page's parts to work.
theme.bind(document.querySelector("button.theme"));
galleries.keepInSight();
largeView.bind();
filters.bind();
context.bind();
downloads.bind();
printing.bind();
document.querySelectorAll("button.copy").forEach(copying.bind);
