"""The small words of the languages that captions are written in; see `languages.repetition`.

They are in lower case, as a vocabulary of their language has them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """Words of a language, in lower case, as `vocabulary.tokenize` returns them."""

    small: frozenset[str]  # articles, prepositions and the like: what may stand between repetitions
    # The small words that, alone between a word and itself, say something: "side by side".
    linking: frozenset[str]


# fmt: off
ENGLISH = Language(
    small=frozenset((
        # Articles, and words that point or count as articles do; "another" tells two things apart.
        "a", "an", "the", "this", "that", "these", "those", "some", "both", "all", "several",
        "many", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        # Conjunctions that join words; those that join clauses ("while") begin a new statement.
        "and", "or",
        # Prepositions and particles. "Front" is one for the sake of "in front of".
        "about", "above", "across", "against", "along", "among", "around", "at", "behind",
        "below", "beneath", "beside", "between", "by", "down", "during", "for", "from", "front",
        "in", "inside", "into", "near", "next", "of", "off", "on", "onto", "out", "outside",
        "over", "past", "through", "to", "toward", "towards", "under", "underneath", "up", "upon",
        "with", "within", "without",
        # Forms of "to be" and "to have".
        "is", "are", "was", "were", "be", "being", "been", "am", "'s", "has", "have", "having",
        # Pronouns.
        "he", "him", "his", "she", "her", "hers", "it", "its", "they", "them", "their", "who",
        "which", "there",
    )),
    linking=frozenset(("by", "to")),
)
# What may stand between two uses of a word in captions: articles, numbers, prepositions, "and",
# forms of "to be" and "to have", pronouns. Commas separate statements, and are not small.
PORTUGUESE = Language(
    small=frozenset((
        "o", "a", "os", "as", "um", "uma", "uns", "umas", "este", "esta", "esse", "essa", "outro",
        "outra", "outros", "outras", "dois", "duas", "três", "quatro", "cinco", "vários", "várias",
        "e", "ou", "de", "do", "da", "dos", "das", "em", "no", "na", "nos", "nas", "num", "numa",
        "ao", "à", "aos", "às", "com", "sem", "por", "pelo", "pela", "pelos", "pelas", "para",
        "sobre", "sob", "entre", "até", "atrás", "frente", "lado", "perto", "dentro", "fora",
        "cima", "baixo", "ao", "que", "é", "são", "está", "estão", "tem", "têm", "ele", "ela",
        "eles", "elas", "seu", "sua", "seus", "suas", "se",
    )),
    linking=frozenset(("a", "por")),
)
GERMAN = Language(
    small=frozenset((
        "der", "die", "das", "den", "dem", "des", "ein", "eine", "einen", "einem", "einer",
        "eines", "dieser", "diese", "dieses", "zwei", "drei", "vier", "fünf", "mehrere", "einige",
        "viele", "beide", "andere", "anderen", "anderer", "anderes", "und", "oder", "an", "am",
        "auf", "aus", "bei", "beim", "bis", "durch", "für", "gegen", "hinter", "in", "im", "ins",
        "mit", "nach", "neben", "ohne", "über", "um", "unter", "von", "vom", "vor", "während",
        "zu", "zum", "zur", "zwischen", "entlang", "ist", "sind", "hat", "haben", "wird", "werden",
        "er", "sie", "es", "ihr", "ihre", "ihren", "ihrem", "ihrer", "sein", "seine", "seinen",
        "seinem", "seiner", "sich",
    )),
    linking=frozenset(("an", "in", "zu", "für", "um", "auf")),
)
FRENCH = Language(
    small=frozenset((
        "le", "la", "les", "l'", "un", "une", "des", "du", "de", "d'", "ce", "cet", "cette", "ces",
        "autre", "autres", "deux", "trois", "quatre", "cinq", "plusieurs", "quelques", "et", "ou",
        "à", "au", "aux", "avec", "sans", "dans", "en", "sur", "sous", "par", "pour", "entre",
        "vers", "chez", "contre", "derrière", "devant", "près", "côté", "face", "lors", "travers",
        "est", "sont", "a", "ont", "il", "elle", "ils", "elles", "son", "sa", "ses", "leur",
        "leurs", "se", "s'", "qui", "qu'", "que",
    )),
    linking=frozenset(("à", "par", "en")),
)
CZECH = Language(
    small=frozenset((
        "jeden", "jedna", "jedno", "dva", "dvě", "tři", "čtyři", "pět", "několik", "další", "jiný",
        "jiná", "jiné", "jiného", "druhý", "druhá", "druhé", "druhého", "ten", "ta", "to", "a",
        "i", "nebo", "v", "ve", "na", "do", "od", "ode", "z", "ze", "s", "se", "k", "ke", "ku",
        "o", "u", "po", "pod", "pode", "nad", "před", "přes", "za", "mezi", "při", "pro", "bez",
        "vedle", "kolem", "podél", "skrz", "je", "jsou", "má", "mají", "on", "ona", "oni", "jeho",
        "její", "jejich", "si", "svůj", "svou", "svém", "svým",
    )),
    linking=frozenset(("po", "na", "k", "za")),
)
ARABIC = Language(
    small=frozenset((
        "في", "على", "من", "إلى", "عن", "مع", "بين", "تحت", "فوق", "أمام", "خلف", "وراء", "بجانب",
        "بجوار", "قرب", "حول", "عبر", "داخل", "خارج", "نحو", "عند", "و", "أو", "هو", "هي", "هم",
        "هذا", "هذه", "ذات", "ذو", "آخر", "أخرى", "آخرين", "اثنان", "اثنين", "ثلاثة", "أربعة",
    )),
    linking=frozenset(("إلى", "على", "في")),
)
ARABIC_ENDINGS = (  # of nouns: genders, numbers and possessives
    "\N{ARABIC LETTER TEH MARBUTA}", "ات", "ان", "ين", "ون", "\N{ARABIC LETTER ALEF}",
    "\N{ARABIC LETTER HEH}", "\N{ARABIC LETTER HEH}\N{ARABIC LETTER ALEF}", "هم", "ي", "تان",
    "تين", "ته", "تها",
)
# fmt: on

# By the code that a checkpoint carries (ISO 639-1). Captions in a language that is not here may
# repeat words, and nothing is counted: in some, doubled words are correct, and of Chinese, each
# character is a word.
LANGUAGES = {
    "ar": ARABIC,
    "cs": CZECH,
    "de": GERMAN,
    "en": ENGLISH,
    "fr": FRENCH,
    "pt": PORTUGUESE,
}
