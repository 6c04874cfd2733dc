"""Names for what photos show, where the caption is likely wrong: a second opinion."""
