"""The tokenizer in pure Python, sentence by sentence, and compared with the Java tokenizer."""

import shutil

import pytest

from train.scoring import ptb_tokenizer

ptbtokenizer = pytest.importorskip("pycocoevalcap.tokenizer.ptbtokenizer")

TOKENS = {
    "A man's dog runs.": "a man 's dog runs",
    "A man 's dog runs .": "a man 's dog runs",
    "The dogs' toys, the dogs'.": "the dogs toys the dogs",
    "It's a dog's life, isn't it?": "it 's a dog 's life is n't it",
    "The dog can't, won't and shan't; it doesn't.": "the dog ca n't wo n't and sha n't it does n't",
    "It could n't run": "it could n't run",
    "WON'T DON'T IT'S": "wo n't do n't it 's",
    "They're here, I'm there, we've won.": "they 're here i 'm there we 've won",
    "He'd go and she'll stay": "he 'd go and she 'll stay",
    "I'd've gone, he shouldn't've": "i 'd 've gone he should n't 've",
    "who's that, what'll it do": "who 's that what 'll it do",
    "y'all come, good ol' boys": "y' all come good ol' boys",
    "I cannot, you gonna, they wanna": "i can not you gon na they wan na",
    "gotta run, gimme that, lemme see": "got ta run gim me that lem me see",
    "'tis a dog, 'twas a cat": "'t is a dog 't was a cat",
    "Give 'em a bone 'til noon 'cause it's late": "give 'em a bone 'til noon 'cause it 's late",
    "rock 'n' roll, rock'n'roll, rock 'n roll": "rock 'n' roll rock 'n' roll rock 'n roll",
    "five o'clock at O'Brien's with D'Angelo, ma'am": (
        "five o'clock at o'brien 's with d'angelo ma'am"
    ),
    "hors d'oeuvres and s'mores": "hors d'oeuvres and s'mores",
    "x's and o's": "x 's and o 's",
    "A child in the '60s, the 1960's and the 90s": "a child in the '60s the 1960 's and the 90s",
    "a slip n 'slide": "a slip n slide",
    "'hello', said the 'big' dog": "hello said the big dog",
    "a T-shirt and a t-shirt's sleeve": "a t-shirt and a t-shirt 's sleeve",
    "a black-and-white dog": "a black-and-white dog",
    "an 8-year-old's toy": "an 8-year-old 's toy",
    "her mother-in-law's well-known jack-o-lantern": (
        "her mother-in-law 's well-known jack-o-lantern"
    ),
    "an ant 's-eye-view": "an ant 's eye-view",
    "his/her dog and/or cat": "his/her dog and/or cat",
    "man / woman , w/ a dog": "man / woman w / a dog",
    "cut- outs, -outs, mid - air": "cut outs outs mid air",
    "a dog -- running--fast - now": "a dog running fast now",
    "2,000 people at 3:30 p.m.": "2,000 people at 3:30 p.m.",
    "a 1/2-inch pole and a 2,000-pound bull": "a 1/2-inch pole and a 2,000-pound bull",
    "a 3-1/2 foot fish, 1.5 liters, 3-1": "a 3-1/2 foot fish 1.5 liters 3-1",
    "it's -5 or .5 outside": "it 's -5 or .5 outside",
    "$5.00, 50%, #7 and # 7": "$ 5.00 50 % # 7 and # 7",
    "a 4x4, a 747, a 10ft pole, the 3rd St": "a 4x4 a 747 a 10ft pole the 3rd st",
    "\N{EURO SIGN}5 for \N{VULGAR FRACTION ONE HALF} a cake at 30\N{DEGREE SIGN}": (
        "$ 5 for 1/2 a cake at 30 °"
    ),
    "Mr. and Mrs. Smith on Main St. today": "mr. and mrs. smith on main st. today",
    "In Washington D.C. the U.S. team plays": "in washington d.c. the u.s. team plays",
    "the letter p. is pink": "the letter p. is pink",
    "dogs, cats, etc. play vs. birds": "dogs cats etc. play vs. birds",
    "No. 7 and no. 23 run": "no. 7 and no. 23 run",
    "the sign says no.": "the sign says no",
    "a dog lies in the sun.": "a dog lies in the sun",
    "where the dog sat.": "where the dog sat",
    "a man on TV.": "a man on tv",
    "A dog,a cat;a bird": "a dog a cat a bird",
    "The end.The start": "the end.the start",
    "The dog runs... fast…": "the dog runs fast",
    "Wait!! What?! No? Yes!": "wait !! what ?! no yes",
    'The sign says "go" .': "the sign says go",
    "a dog(brown)and a cat [left]": "a dog -lrb- brown -rrb- and a cat -lsb- left -rsb-",
    "a {wavy} cat": "a -lcb- wavy -rcb- cat",
    "Ben & Jerry's, AT&T, at&t": "ben & jerry 's at&t at & t",
    "a dog *jumps* over ~5 logs = fun + joy": "a dog * jumps * over ~ 5 logs = fun + joy",
    "the #sunset @home": "the #sunset @home",
    "“Quoted” ‘single’ it’s don’t—dash–en": "quoted single it 's do n't dash en",  # noqa: RUF001
    "crème brûlée at a naïve café": "crème brûlée at a naïve café",
    "an emoji \N{DOG FACE} here": "an emoji here",
    "  two\tspaces \N{NO-BREAK SPACE} here  ": "two spaces here",
    "...": "",
}


@pytest.mark.parametrize(("sentence", "tokens"), TOKENS.items())
def test_a_sentence_is_split_as_the_treebank_does(sentence: str, tokens: str) -> None:
    assert ptb_tokenizer.tokenize(sentence) == tokens


@pytest.mark.skipif(shutil.which("java") is None, reason="the PTB tokenizer needs Java")
def test_the_java_tokenizer_splits_the_same_sentences_the_same_way() -> None:
    captions = {sentence: [{"caption": sentence}] for sentence in TOKENS}
    by_java = ptbtokenizer.PTBTokenizer().tokenize(captions)
    assert {sentence: line for sentence, (line,) in by_java.items()} == TOKENS
