"""The words for left and right, in the languages that captions ship in."""

# The sides in the languages that captions ship in, as their captions have them.
SIDES = frozenset(
    (
        *("left", "right"),
        *("links", "rechts", "linke", "linken", "linker", "linkes"),
        *("rechte", "rechten", "rechter", "rechtes"),
        *("esquerda", "esquerdo", "direita", "direito"),
        *("gauche", "droite"),
        *("vlevo", "vpravo", "doleva", "doprava", "zleva", "zprava", "levou", "pravou", "levé"),
        *("levá", "pravé", "pravá", "levý", "pravý", "levém", "pravém"),
        *("يسار", "يمين", "اليسار", "اليمين", "اليسرى", "اليمنى", "يساره", "يمينه", "الأيسر"),
        *("الأيمن", "لليسار", "لليمين"),
        *("左", "右"),
    )
)
