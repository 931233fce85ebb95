"""The words that decide what a label of a data set means; lower case, without accents."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


HEALTHY_WORDS = _words(
    "healthy normal hem benign control controls hematogone hematogones haematogone haematogones "
    "gesund gesunde gesunder gesundes gutartig kontrolle kontrollen "
    "sain saine sains saines normale normales normaux benin benigne temoin temoins "
    "sano sana sanos sanas benigno benigna benignos normali sani benigni controllo "
    "saudavel saudaveis"
)
ILL_WORDS = _words(
    "leukemia leukaemia leukemias leukemic leukaemic leukamie leukaemie leukamisch leukaemisch "
    "leucemia leucemie leucemias leucemico leucemica leucemicos leucemique leucemiques leucemici "
    "blast blasts blaste blasten blasto blastos blasti blastic "
    "lymphoblast lymphoblasts lymphoblastic lymphoblasten myeloblast myeloblasts monoblast "
    "monoblasts promyeloblast erythroblastic cancer cancers cancerous cancereux cancerigeno cancro "
    "krebs malignant malignancy maligna maligne maligno malignos malin maligni bosartig boesartig "
    "tumor tumors tumour tumours tumoral ill sick disease diseased krank kranke malade malades "
    "enfermo enferma enfermos malato malata malati aml apl apml cll cml relapse relapsed "
    "pathological pathologic pathologisch patologico pathologique"
)
# Kinds of leukaemia: who has not one of them may have another.
KINDS_OF_LEUKAEMIA = _words("all aml apl apml cll cml")
# ALL is acute lymphoblastic leukaemia, and an English word.
ILL_ABBREVIATION = "all"
POSITIVE_WORDS = _words("positive pos positiv positivo positiva positivos positif positives")
NEGATIVE_WORDS = _words("negative neg negativ negativo negativa negativos negatif")
# Words that are the opposite of a healthy word or of an ill word on their own.
ABNORMAL_WORDS = _words(
    "abnormal abnormals unhealthy anormal anormale anormales anormaux anomalo anomala ungesund "
    "insano malsano"
)
NEGATIONS_BEFORE = _words(
    "not no non without nicht kein keine keinen ohne pas sans sin senza nao sem"
)
NEGATIONS_AFTER = frozenset({"free", "frei", "absent"})
NEGATING_PREFIXES = ("not", "non", "no", "un", "nicht")  # noncancer, unhealthy
# Words between a negation and the word that it negates: "no signs of leukemia".
FILLERS = _words("a an any the of sign signs evidence signo signos segni de di")
# Words that do not change what the other words of a label mean.
NEUTRAL_WORDS = _words(
    "cell cells zelle zellen cellule cellules celula celulas cellula cellulas blood blut sang "
    "sangre sangue smear smears film field fields image images img picture pictures photo photos "
    "class classe clase label group white wbc wbcs leukocyte leukocytes leucocyte leucocytes "
    "lymphocyte lymphocytes bone marrow peripheral person persons people subject subjects patient "
    "patients patienten donor donors individual individuals volunteer volunteers case cases sample "
    "samples set only folder data"
)
# Words that leave open whether a label means leukaemia.
DOUBTFUL_WORDS = _words(
    "maybe unsure unknown uncertain unclear suspicious suspected possible possibly probable "
    "borderline remission treated treatment therapy cured healed other others mixed various rest "
    "vs versus or and und oder et ou y o e post follow history family screening reactive undefined "
    "unlabeled unlabelled unbekannt inconnu desconocido karyotype residual mrd "
    "minimal risk"
)
# The stages in the Kaggle data set of ALL that stand beside the class Benign.
STAGE_WORDS = frozenset({"early", "pre", "pro"})
STAGE_COMPANIONS = frozenset({"b", "malignant", "all", "benign"})
# A folder with one of these words in its name is no class, whatever else it is called.
AUXILIARY_WORDS = _words(
    "mask masks masked maske masken thumbnail thumbnails thumb thumbs annotation annotations "
    "overlay overlays groundtruth groundtruths gt segmentation segmentations segmented preview "
    "previews heatmap heatmaps gradcam bbox bboxes contour contours bounding augmented "
    "augmentation augmentations unlabeled unlabelled unsorted backup backups duplicate duplicates "
    "prediction predictions"
)
# A folder whose name consists of these words is no class.
STRUCTURE_WORDS = _words(
    "train training test testing val valid validation dev eval fold folds split splits label "
    "labels image images img imgs picture pictures photo photos original originals raw processed "
    "result results output outputs tmp temp cache old docs figures plots metadata json xml csv "
    "crop crops patch patches tile tiles ground truth truths jpegimages imagesets dataset data set "
    "new folder trainset testset"
)
