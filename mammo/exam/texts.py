"""What a reader is told of the choice of views, in English and Danish."""

from __future__ import annotations

TEXTS: dict[str, dict[str, str]] = {
    "image_chosen": {
        "en": "{image} is analysed.",
        "da": "{image} analyseres.",
    },
    "image_provisional": {
        "en": "Image {image} is analysed; its attributes do not tell which breast and view it is.",
        "da": "Billede {image} analyseres; DICOM-oplysningerne fortæller ikke, hvilket bryst og "
        "hvilken projektion det er.",
    },
    "image_not_needed": {
        "en": "Image {image} is passed over: its attributes do not tell its view, and the views "
        "that it may show are there.",
        "da": "Billede {image} forbigås: DICOM-oplysningerne fortæller ikke projektionen, og de "
        "projektioner, det kan vise, er til stede.",
    },
    "image_source": {
        "en": "Image {image} is passed over: the site does not read this kind of image ({what}).",
        "da": "Billede {image} forbigås: denne type billede læses ikke her ({what}).",
    },
    "image_other_modality": {
        "en": "Image {image} is no mammogram.",
        "da": "Billede {image} er ikke et mammografibillede.",
    },
    "image_lower_source": {
        "en": "Image {image} is passed over: image {better} is of a preferred kind.",
        "da": "Billede {image} forbigås: billede {better} er af en foretrukken type.",
    },
    "image_lower_partial": {
        "en": "Image {image} is passed over: it shows a part of the breast, image "
        "{better} the whole.",
        "da": "Billede {image} forbigås: det viser en del af brystet, billede {better} "
        "hele brystet.",
    },
    "image_lower_implant": {
        "en": "Image {image} is passed over: of implant displaced and implant in place, "
        "image {better} is preferred.",
        "da": "Billede {image} forbigås: af optagelserne med forskudt og uforskudt "
        "implantat foretrækkes billede {better}.",
    },
    "image_lower_later": {
        "en": "Image {image} is passed over: image {better} is a later repeat.",
        "da": "Billede {image} forbigås: billede {better} er en senere omtagning.",
    },
    "image_lower_lossy": {
        "en": "Image {image} is passed over: image {better} is the same without lossy compression.",
        "da": "Billede {image} forbigås: billede {better} er det samme uden "
        "tabsgivende kompression.",
    },
    "image_lower_smaller": {
        "en": "Image {image} is passed over: image {better} has more pixels.",
        "da": "Billede {image} forbigås: billede {better} har flere pixels.",
    },
    "image_lower_copy": {
        "en": "Image {image} is passed over: nothing tells it from image {better}.",
        "da": "Billede {image} forbigås: intet adskiller det fra billede {better}.",
    },
    "image_photograph": {
        "en": "Image {image} is passed over: it is a photograph or a document.",
        "da": "Billede {image} forbigås: det er et fotografi eller et dokument.",
    },
    "image_specimen": {
        "en": "Image {image} is passed over: it shows a specimen.",
        "da": "Billede {image} forbigås: det viser et præparat.",
    },
    "image_sop_class": {
        "en": "Image {image} is passed over: this kind of object is not supported.",
        "da": "Billede {image} forbigås: denne type objekt understøttes ikke.",
    },
    "image_test": {
        "en": "Image {image} is passed over: it is a quality control or calibration image.",
        "da": "Billede {image} forbigås: det er et kontrol- eller kalibreringsbillede.",
    },
    "image_contrast": {
        "en": "Image {image} is passed over: it is a contrast subtraction or high energy image.",
        "da": "Billede {image} forbigås: det er et subtraktions- eller højenergibillede fra en "
        "kontrastmammografi.",
    },
    "image_tomosynthesis": {
        "en": "Image {image} is passed over: it is tomosynthesis.",
        "da": "Billede {image} forbigås: det er tomosyntese.",
    },
    "image_for_processing": {
        "en": "Image {image} is passed over: it is raw data (For Processing).",
        "da": "Billede {image} forbigås: det er rådata (For Processing).",
    },
    "image_stereotactic": {
        "en": "Image {image} is passed over: it is of a stereotactic biopsy.",
        "da": "Billede {image} forbigås: det er fra en stereotaktisk biopsi.",
    },
    "image_not_standard": {
        "en": "Image {image} is passed over: additional view {what}.",
        "da": "Billede {image} forbigås: supplerende projektion {what}.",
    },
    "image_spot": {
        "en": "Image {image} is passed over: spot compression.",
        "da": "Billede {image} forbigås: spotkompression.",
    },
    "image_magnification": {
        "en": "Image {image} is passed over: magnification.",
        "da": "Billede {image} forbigås: forstørrelsesoptagelse.",
    },
    "image_rolled": {
        "en": "Image {image} is passed over: rolled view.",
        "da": "Billede {image} forbigås: optagelse med rullet bryst.",
    },
    "image_tangential": {
        "en": "Image {image} is passed over: tangential view.",
        "da": "Billede {image} forbigås: tangentiel optagelse.",
    },
    "image_cleavage": {
        "en": "Image {image} is passed over: cleavage view.",
        "da": "Billede {image} forbigås: kavalergangsoptagelse (cleavage).",
    },
    "image_axillary_tail": {
        "en": "Image {image} is passed over: view of the axillary tail.",
        "da": "Billede {image} forbigås: optagelse af den aksillære udløber.",
    },
    "image_axillary_tissue": {
        "en": "Image {image} is passed over: view of the axilla.",
        "da": "Billede {image} forbigås: optagelse af aksillen.",
    },
    "image_anterior_compression": {
        "en": "Image {image} is passed over: anterior compression.",
        "da": "Billede {image} forbigås: anterior kompression.",
    },
    "image_inframammary_fold": {
        "en": "Image {image} is passed over: view of the inframammary fold.",
        "da": "Billede {image} forbigås: optagelse af den inframammære fold.",
    },
    "image_transfer_syntax": {
        "en": "Image {image} is passed over: it is compressed in a way that is not supported.",
        "da": "Billede {image} forbigås: det er komprimeret på en måde, der ikke understøttes.",
    },
    "image_not_seen": {
        "en": "Image {image} is passed over: breast and view could not be read from it.",
        "da": "Billede {image} forbigås: bryst og projektion kunne ikke aflæses af det.",
    },
    "exam_incomplete": {
        "en": "The exam is incomplete: {missing} is missing.",
        "da": "Undersøgelsen er ufuldstændig: {missing} mangler.",
    },
    "view_from_image": {
        "en": "{view} was read from the image itself (image {image}, {percent} % certain). "
        "The side may be wrong where the image is mirrored.",
        "da": "{view} er aflæst af selve billedet (billede {image}, {percent} % sikkert). "
        "Siden kan være forkert, hvis billedet er spejlvendt.",
    },
    "view_unknown": {
        "en": "Image {image} is not analysed: it looks like {view}, but only {percent} % certain.",
        "da": "Billede {image} analyseres ikke: det ligner {view}, men kun {percent} % sikkert.",
    },
    "view_again": {
        "en": "Image {image} is not analysed: it looks like {view} ({percent} %), which is there.",
        "da": "Billede {image} analyseres ikke: det ligner {view} ({percent} %), som er til stede.",
    },
    "view_partial": {
        "en": "Image {image} shows only a part of the breast (partial view).",
        "da": "Billede {image} viser kun en del af brystet (delbillede).",
    },
    "implant_displaced": {
        "en": "Image {image} is an implant displaced view: tissue outside of it is not analysed.",
        "da": "Billede {image} er med forskudt implantat: væv uden for det er ikke analyseret.",
    },
    "implant_present": {
        "en": "Image {image} shows a breast with an implant, which hides tissue.",
        "da": "Billede {image} viser et bryst med implantat, som skjuler væv.",
    },
    "low_energy_image": {
        "en": "Image {image} is the low energy image of a contrast mammogram; the contrast is not "
        "analysed.",
        "da": "Billede {image} er lavenergibilledet fra en kontrastmammografi; kontrasten er "
        "ikke analyseret.",
    },
    "synthetic_image": {
        "en": "Image {image} is computed from tomosynthesis.",
        "da": "Billede {image} er beregnet af tomosyntese.",
    },
    "attributes_disagree_laterality": {
        "en": "The attributes of image {image} name both breasts; Image Laterality was followed.",
        "da": "DICOM-oplysningerne i billede {image} nævner begge bryster; Image Laterality er "
        "fulgt.",
    },
    "attributes_disagree_view": {
        "en": "The attributes of image {image} name several views; the coded view was followed.",
        "da": "DICOM-oplysningerne i billede {image} nævner flere projektioner; den kodede er "
        "fulgt.",
    },
}
